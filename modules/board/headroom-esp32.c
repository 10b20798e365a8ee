/*
 * The native half of headroom.ts on an ESP32. ESP-IDF keeps the figures anyway: the heap its low-water mark, FreeRTOS
 * for each task the part of the stack that was never written.
 */
#include "xsmc.h"
#include "xsHost.h"

#include <stdio.h>

#include "esp_heap_caps.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

/* XS, radio, line, and at most ten of ESP-IDF on two cores. With more tasks, FreeRTOS would name none. */
#define TASKS_MAX 16
/* As many bytes as one message of a dongle holds (modules/dongle/message.ts), and the end. */
#define TEXT_BYTES 251

void xs_board_headroom(xsMachine *the)
{
	TaskStatus_t tasks[TASKS_MAX];
	multi_heap_info_t heap;
	char text[TEXT_BYTES];
	heap_caps_get_info(&heap, MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
	size_t length = (size_t)snprintf(text, sizeof(text), "memory: %u bytes free, %u at the least, %u in one piece; unused stack:",
		(unsigned)heap.total_free_bytes, (unsigned)heap.minimum_free_bytes, (unsigned)heap.largest_free_block);
	UBaseType_t count = uxTaskGetSystemState(tasks, TASKS_MAX, NULL);
	for (UBaseType_t i = 0; (i < count) && (length < sizeof(text)); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, " %s %u", tasks[i].pcTaskName,
			(unsigned)(tasks[i].usStackHighWaterMark * sizeof(StackType_t)));
	xsmcSetString(xsResult, text);
}
