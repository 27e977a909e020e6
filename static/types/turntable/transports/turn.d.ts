/**
 * Turns of the event loop between messages that arrive together. A promise that
 * one of them settles has its callers run before the next one is emitted, so
 * that they can add their listeners: as a browser's WebSocket does it.
 * @module
 */
/**
 * Emits what arrived together, in order.
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => any} emit returns the message that it emitted, if any
 */
export declare function inTurns<Item>(items: Item[], emit: (item: Item) => any): Promise<void>;
