/**
 * Turns of the event loop between messages that arrive together. A promise that
 * one of them settles has its callers run before the next one is emitted, so
 * that they can add their listeners: as a browser's WebSocket does it.
 * @module
 */

/** Messages that are answers also without an id. */
const ANSWERS = new Set(["welcome", "joined"]);

/**
 * Emits what arrived together, in order.
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => any} emit returns the message that it emitted, if any
 */
export async function inTurns(items, emit) {
  for (const [index, item] of items.entries()) {
    const message = emit(item);
    const is_answer = message?.id !== undefined || ANSWERS.has(message?.command);
    if (is_answer && index < items.length - 1) await turn();
  }
}

/** Not a timer: those of a hidden page run once a second or less. */
function turn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(undefined);
  });
}
