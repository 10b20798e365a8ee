/**
 * What a board's radio can be set to, for those who must know it without having one: settings are checked on the builder's
 * machine too.
 */

/** In the order of `phy_rate` in espnow-driver.h. LR: Espressif's long range, which only its own chips hear. */
export const PHY_RATES = Object.freeze(["1M", "2M", "11M", "6M", "24M", "54M", "LR250K", "LR500K"] as const);
export type PhyRate = (typeof PHY_RATES)[number];

/** Without a country set, ESP-IDF sends on 1 to 11. */
export const CHANNEL_MAX = 11;
