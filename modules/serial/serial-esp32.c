/*
 * The line on an ESP32, over ESP-IDF v6.0: UART 0, which is wired to the board's USB chip, or the USB Serial/JTAG of a
 * C3 or an S3.
 *
 * The driver's own rings hold the bytes. The driver's interrupts wake a task of ours. That task posts one message for
 * all events since the last delivery. So no code of XS runs in an interrupt, and the queue of XS never holds more than
 * one message of ours. Only our task, never a driver, waits for room in that queue.
 *
 * The console may share the line. Its output is garbage between two messages, and the protocol skips it.
 */
#include "xsmc.h"
#include "xsHost.h"

#include <stdatomic.h>

#include "driver/uart.h"
#include "driver/uart_select.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "soc/soc_caps.h"
#if SOC_USB_SERIAL_JTAG_SUPPORTED
	#include "driver/usb_serial_jtag.h"
	#include "driver/usb_serial_jtag_select.h"
#endif

#include "serial-driver.h"

#define PORT UART_NUM_0
/*
 * Holds all that the dongle allows on the way to it (modules/dongle/dongle.ts): 16 frames of 250 bytes or 5 of 1,470.
 */
#define RECEIVE_BYTES 9216
#define SEND_BYTES 4096
/* The USB driver takes a piece whole or not at all. */
#define USB_PIECE_BYTES 256
#define TASK_STACK_BYTES 2560
/* Above the task of XS, so that a message is posted while XS works. */
#define TASK_PRIORITY 6

static struct {
	xsMachine *machine;
	uint32_t opening;
	bool usb;
	uint32_t consoleBaud;	/* the speed of the UART before it was opened, and after */
	TaskHandle_t task;
	atomic_bool posted;
} driver;

static void deliver(void *machine, void *opening, uint8_t *message, uint16_t length)
{
	(void)message;
	(void)length;
	/* Cleared before the bytes are read, so that bytes which arrive during the reading cause another message. */
	atomic_store(&driver.posted, false);
	line_deliver(machine, (uint32_t)(uintptr_t)opening);
}

static void run(void *unused)
{
	(void)unused;
	for (;;) {
		ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
		if (atomic_exchange(&driver.posted, true))
			continue;
		if (modMessagePostToMachine(driver.machine, NULL, 0, deliver, (void *)(uintptr_t)driver.opening))
			atomic_store(&driver.posted, false);
	}
}

static void uartHappened(uart_port_t port, uart_select_notif_t what, BaseType_t *woken)
{
	(void)port;
	(void)what;
	vTaskNotifyGiveFromISR(driver.task, woken);
}

static const char *openUart(uint32_t baud)
{
	const uart_config_t config = {
		.baud_rate = (int)baud,
		.data_bits = UART_DATA_8_BITS,
		.parity = UART_PARITY_DISABLE,
		.stop_bits = UART_STOP_BITS_1,
		.flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
		.source_clk = UART_SCLK_DEFAULT,
	};
	if (uart_is_driver_installed(PORT))
		return "the UART is in use; a dongle is built without the debugger";
	if (ESP_OK != uart_driver_install(PORT, RECEIVE_BYTES, SEND_BYTES, 0, NULL, 0))
		return "no memory for the UART";
	uart_get_baudrate(PORT, &driver.consoleBaud);
	if (ESP_OK != uart_param_config(PORT, &config)) {
		uart_driver_delete(PORT);
		return "the UART has no such speed";
	}
	uart_set_select_notif_callback(PORT, uartHappened);
	return NULL;
}

#if SOC_USB_SERIAL_JTAG_SUPPORTED

static void usbHappened(usj_select_notif_t what, BaseType_t *woken)
{
	(void)what;
	vTaskNotifyGiveFromISR(driver.task, woken);
}

static const char *openUsb(void)
{
	usb_serial_jtag_driver_config_t config = {
		.tx_buffer_size = SEND_BYTES,
		.rx_buffer_size = RECEIVE_BYTES,
	};
	if (usb_serial_jtag_is_driver_installed())
		return "the USB is in use; a dongle is built without the debugger";
	if (ESP_OK != usb_serial_jtag_driver_install(&config))
		return "no memory for the USB";
	usb_serial_jtag_set_select_notif_callback(usbHappened);
	return NULL;
}

static size_t writeUsb(const uint8_t *bytes, size_t length)
{
	size_t taken = 0;
	while (taken < length) {
		size_t piece = length - taken < USB_PIECE_BYTES ? length - taken : USB_PIECE_BYTES;
		int count = usb_serial_jtag_write_bytes(bytes + taken, piece, 0);
		if (count <= 0)
			break;
		taken += (size_t)count;
	}
	return taken;
}

#endif

static void closePort(void)
{
#if SOC_USB_SERIAL_JTAG_SUPPORTED
	if (driver.usb) {
		usb_serial_jtag_driver_uninstall();
		return;
	}
#endif
	/* The log goes on at the console's speed. */
	uart_set_baudrate(PORT, driver.consoleBaud);
	uart_driver_delete(PORT);
}

const char *line_open(bool usb, uint32_t baud, void *machine, uint32_t opening)
{
	const char *trouble;
	driver.machine = machine;
	driver.opening = opening;
	driver.usb = usb;
	atomic_store(&driver.posted, false);
	/* The task comes first, because an interrupt may wake it as soon as a driver is installed. */
	if (pdPASS != xTaskCreate(run, "line", TASK_STACK_BYTES, NULL, TASK_PRIORITY, &driver.task))
		return "no memory for a task";
#if SOC_USB_SERIAL_JTAG_SUPPORTED
	trouble = usb ? openUsb() : openUart(baud);
#else
	trouble = usb ? "this chip has no USB of its own; use its UART" : openUart(baud);
#endif
	if (trouble)
		vTaskDelete(driver.task);
	return trouble;
}

/* The driver is removed first, so that no interrupt wakes a deleted task. A posted message finds another opening. */
void line_close(void)
{
	closePort();
	vTaskDelete(driver.task);
}

size_t line_read(uint8_t *bytes, size_t room)
{
	int count;
#if SOC_USB_SERIAL_JTAG_SUPPORTED
	if (driver.usb)
		count = usb_serial_jtag_read_bytes(bytes, room, 0);
	else
#endif
		count = uart_read_bytes(PORT, bytes, room, 0);
	return count > 0 ? (size_t)count : 0;
}

size_t line_write(const uint8_t *bytes, size_t length)
{
	size_t room = 0;
	int count;
#if SOC_USB_SERIAL_JTAG_SUPPORTED
	if (driver.usb)
		return writeUsb(bytes, length);
#endif
	/* uart_write_bytes would wait for room, so it gets only as many bytes as there is room for. */
	if (ESP_OK != uart_get_tx_buffer_free_size(PORT, &room))
		return 0;
	if (length > room)
		length = room;
	if (0 == length)
		return 0;
	count = uart_write_bytes(PORT, bytes, length);
	return count > 0 ? (size_t)count : 0;
}
