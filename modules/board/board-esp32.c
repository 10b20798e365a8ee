/*
 * The board on an ESP32: the native half of board.ts, over ESP-IDF v6.0. All of it runs in the task of XS.
 *
 * The clock is the timer of the running chip, continued from where the last life stopped. Between lives only the RTC's
 * clock runs, which may be wrong by 5 %. That error enters once for each life, and the clock never goes back. The bytes
 * that outlive a life are in RTC memory that no boot clears. They have a checksum, because they are noise after a loss
 * of power.
 */
#include "xsmc.h"
#include "xsHost.h"
#include "mc.xs.h"

#include <stdio.h>
#include <string.h>

#include "esp_pm.h"
#include "esp_random.h"
#include "esp_rom_crc.h"
#include "esp_rtc_time.h"
#include "esp_sleep.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"

#define MEMORY_BYTES 16
#define RETAINED_BYTES 4384
#define SLEEP_MS_MIN 1
/* From docs/power.md, "Deep sleep or light sleep". */
#if CONFIG_IDF_TARGET_ESP32C3
#define LIGHT_SLEEP_MS_MAX 496000
#elif CONFIG_IDF_TARGET_ESP32
#define LIGHT_SLEEP_MS_MAX 117000
#else
#define LIGHT_SLEEP_MS_MAX 0
#endif

typedef struct {
	uint64_t clockUs;	/* the board's clock at the moment when the RTC's clock was rtcUs */
	uint64_t rtcUs;
	uint8_t memory[MEMORY_BYTES];
	uint32_t crc;
} Kept;

static RTC_NOINIT_ATTR Kept kept;
/* Their user finds out whether they are whole (modules/throwie/retained.ts). */
static RTC_NOINIT_ATTR uint8_t retained[RETAINED_BYTES];
static int64_t beganUs;	/* the board's clock at the moment when the chip's timer was 0 */
static esp_task_wdt_user_handle_t watchdog;

static uint32_t keptCrc(void)
{
	return esp_rom_crc32_le(0, (const uint8_t *)&kept, offsetof(Kept, crc));
}

static uint64_t clockUs(void)
{
	return (uint64_t)(beganUs + esp_timer_get_time());
}

static void keep(void)
{
	kept.clockUs = clockUs();
	kept.rtcUs = esp_rtc_get_time_us();
	kept.crc = keptCrc();
}

static const char *wakeCause(void)
{
	switch (esp_reset_reason()) {
		case ESP_RST_POWERON:
		case ESP_RST_BROWNOUT:
		case ESP_RST_PWR_GLITCH:
			return "power";
		case ESP_RST_DEEPSLEEP:
			return "timer";
		case ESP_RST_SW:	/* XS aborts this way; nothing here restarts a healthy board */
		case ESP_RST_PANIC:
		case ESP_RST_CPU_LOCKUP:
			return "crash";
		case ESP_RST_TASK_WDT:
		case ESP_RST_INT_WDT:
		case ESP_RST_WDT:
			return "watchdog";
		default:	/* reset by a computer over USB, or by a debugger */
			return "other";
	}
}

void xs_board_begin(xsMachine *the)
{
	uint64_t rtcUs = esp_rtc_get_time_us();
	/* A short press of the button may leave the bytes intact. It counts as a loss of power all the same. */
	if ((ESP_RST_POWERON == esp_reset_reason()) || (kept.crc != keptCrc()) || (rtcUs < kept.rtcUs)) {
		memset(&kept, 0, sizeof(kept));
		kept.rtcUs = rtcUs;
	}
	beganUs = (int64_t)(kept.clockUs + (rtcUs - kept.rtcUs)) - esp_timer_get_time();
	keep();
	/* Without a watchdog, feeding it throws. Nothing could catch an exception here yet. */
	if ((NULL == watchdog) && (ESP_OK != esp_task_wdt_add_user("loop", &watchdog)))
		watchdog = NULL;
	xsmcSetString(xsResult, (char *)wakeCause());
}

void xs_board_now(xsMachine *the)
{
	uint64_t ms = clockUs() / 1000;
	if (ms <= 0x7fffffff)
		xsmcSetInteger(xsResult, (xsIntegerValue)ms);
	else
		xsmcSetNumber(xsResult, (xsNumberValue)ms);
}

void xs_board_fill(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferWritable(xsArg(0), &bytes, &lengthBytes);
	esp_fill_random(bytes, lengthBytes);
}

void xs_board_memory_read(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferWritable(xsArg(0), &bytes, &lengthBytes);
	if (lengthBytes < MEMORY_BYTES)
		xsRangeError("buffer too small");
	memcpy(bytes, kept.memory, MEMORY_BYTES);
}

void xs_board_memory_write(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferReadable(xsArg(0), &bytes, &lengthBytes);
	if (lengthBytes < MEMORY_BYTES)
		xsRangeError("buffer too small");
	memcpy(kept.memory, bytes, MEMORY_BYTES);
	keep();
}

/* (MHz). A clock that never changes costs interrupts 0.2 us; only a changing one would cost them more. */
void xs_board_set_clock(xsMachine *the)
{
	const int mhz = (int)xsmcToInteger(xsArg(0));
	const esp_pm_config_t config = {.max_freq_mhz = mhz, .min_freq_mhz = mhz, .light_sleep_enable = false};
	if (ESP_OK != esp_pm_configure(&config))
		xsUnknownError("board: this chip has no clock of %d MHz", mhz);
}

void xs_board_retain(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferReadable(xsArg(0), &bytes, &lengthBytes);
	if (lengthBytes < RETAINED_BYTES)
		xsRangeError("buffer too small");
	memcpy(retained, bytes, RETAINED_BYTES);
}

void xs_board_recall(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferWritable(xsArg(0), &bytes, &lengthBytes);
	if (lengthBytes < RETAINED_BYTES)
		xsRangeError("buffer too small");
	memcpy(bytes, retained, RETAINED_BYTES);
	memset(retained, 0, RETAINED_BYTES);
}

static void wakeAfter(xsNumberValue ms)
{
	keep();
	/* A board that sleeps without a timer would never wake. */
	if (ESP_OK != esp_sleep_enable_timer_wakeup((uint64_t)(ms > SLEEP_MS_MIN ? ms : SLEEP_MS_MIN) * 1000))
		esp_restart();
}

void xs_board_sleep(xsMachine *the)
{
	wakeAfter(xsmcToNumber(xsArg(0)));
	esp_deep_sleep_start();
}

void xs_board_light_sleep_ms_max(xsMachine *the)
{
	xsmcSetInteger(xsResult, LIGHT_SLEEP_MS_MAX);
}

/* The chip's timer, and so the board's clock, goes on by what the RTC's clock counts. No watchdog counts meanwhile. */
void xs_board_light_sleep(xsMachine *the)
{
	wakeAfter(xsmcToNumber(xsArg(0)));
	xsmcSetBoolean(xsResult, ESP_OK == esp_light_sleep_start());
	esp_task_wdt_reset_user(watchdog);
}

void xs_board_restart(xsMachine *the)
{
	(void)the;
	keep();
	esp_restart();
}

void xs_board_feed_watchdog(xsMachine *the)
{
	if (ESP_OK != esp_task_wdt_reset_user(watchdog))
		xsUnknownError("board: no watchdog; is CONFIG_ESP_TASK_WDT_INIT set?");
	keep();
}

void xs_board_log(xsMachine *the)
{
#ifdef mxDebug
	xsTrace(xsmcToString(xsArg(0)));	/* the debugger shows the line */
	xsTrace("\n");
#else
	puts(xsmcToString(xsArg(0)));
	fflush(stdout);
#endif
}
