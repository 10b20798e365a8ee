/*
 * The native half of image-loader.ts on an ESP32, over ESP-IDF v6.0's "Over The Air Updates". The boot loader tries an
 * image that was chosen once; when the image is not confirmed before the next start, the boot loader takes the other
 * one (CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE).
 */
#include "xsmc.h"
#include "xsHost.h"
#include "mc.xs.h"

#include "esp_partition.h"
#include "app_update/include/esp_ota_ops.h"

#define DIGEST_BYTES 32
#define CHIP_AT 12	/* in the header of an image */

void xs_board_image_chip(xsMachine *the)
{
	uint16_t chip;
	/* The image that runs is for this chip. */
	if (ESP_OK != esp_partition_read(esp_ota_get_running_partition(), CHIP_AT, &chip, sizeof(chip)))
		xsUnknownError("board: the image cannot be read");
	xsmcSetInteger(xsResult, chip);
}

void xs_board_image_on_trial(xsMachine *the)
{
	esp_ota_img_states_t state;
	const esp_partition_t *running = esp_ota_get_running_partition();
	/* An image that was written by cable has no state. */
	xsmcSetBoolean(xsResult,
		(ESP_OK == esp_ota_get_state_partition(running, &state)) && (ESP_OTA_IMG_PENDING_VERIFY == state));
}

void xs_board_image_confirm(xsMachine *the)
{
	/* Otherwise the next start would go back without a word. */
	if (ESP_OK != esp_ota_mark_app_valid_cancel_rollback())
		xsUnknownError("board: the image cannot be confirmed");
}

void xs_board_image_digest(xsMachine *the)
{
	void *into;
	xsUnsignedValue lengthBytes;
	const esp_partition_t *next = esp_ota_get_next_update_partition(NULL);
	xsmcGetBufferWritable(xsArg(0), &into, &lengthBytes);
	if (lengthBytes < DIGEST_BYTES)
		xsRangeError("buffer too small");
	/* Reads the whole image, and compares its SHA-256 with the one that the image ends with. */
	xsmcSetBoolean(xsResult, (NULL != next) && (ESP_OK == esp_partition_get_sha256(next, into)));
}

void xs_board_image_choose(xsMachine *the)
{
	const esp_partition_t *next = esp_ota_get_next_update_partition(NULL);
	xsmcSetBoolean(xsResult, (NULL != next) && (ESP_OK == esp_ota_set_boot_partition(next)));
}
