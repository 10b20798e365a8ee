/**
 * The channels and rates of a board's radio, for code that needs them without a radio: the builder's machine checks
 * settings too.
 */

/** In the order of `phy_rate` in espnow-driver.h. LR: Espressif's long range, which only its own chips hear. */
export const PHY_RATES = Object.freeze(["1M", "2M", "11M", "6M", "24M", "54M", "LR250K", "LR500K"] as const);
export type PhyRate = (typeof PHY_RATES)[number];

/** Without a country set, ESP-IDF sends on 1 to 11. */
export const CHANNEL_MAX = 11;
