/**
 * Combines keyboard, mouse and touch input: direction, aim, fire. Keys: WASD or
 * arrows, space. Mouse: aims and fires on the canvas. Touch: a stick and a button.
 */

import { angleTo } from "./arena.js";

const DIRECTIONS = {
  KeyW: [0, -1], ArrowUp: [0, -1],
  KeyS: [0, 1], ArrowDown: [0, 1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0],
  KeyD: [1, 0], ArrowRight: [1, 0],
};

export class Controls {
  /**
   * @param {object} options
   * @param {HTMLElement} options.canvas
   * @param {HTMLElement} options.stick
   * @param {HTMLElement} options.trigger
   * @param {(clientX: number, clientY: number) => {x: number, y: number}} options.toMap
   */
  constructor({ canvas, stick, trigger, toMap }) {
    this.toMap = toMap;
    this.keys = new Set();
    this.stickDirection = { dx: 0, dy: 0 };
    this.triggers = new Set();
    /** Whether a trigger was pressed since the last frame, even if it was released again. */
    this.pressed = false;
    /** The mouse position while the mouse aims; null otherwise. */
    this.mouse = null;
    this.enabled = false;
    this.listenToKeys();
    this.listenToMouse(canvas);
    this.listenToStick(stick);
    this.listenToTrigger(trigger);
  }

  /** @param {{x: number, y: number}} me @returns {import("./match.js").Input} */
  read(me) {
    if (!this.enabled) return { dx: 0, dy: 0, aim: null, fire: false };
    let { dx, dy } = this.stickDirection;
    for (const key of this.keys) {
      dx += DIRECTIONS[key]?.[0] ?? 0;
      dy += DIRECTIONS[key]?.[1] ?? 0;
    }
    let aim = null;
    if (this.mouse) {
      const { x, y } = this.toMap(this.mouse.x, this.mouse.y);
      aim = angleTo(me.x, me.y, x, y);
    }
    const fire = this.triggers.size > 0 || this.pressed;
    this.pressed = false;
    return { dx, dy, aim, fire };
  }

  /** @param {string} trigger  the pressed input: key, mouse or button */
  press(trigger) {
    this.triggers.add(trigger);
    this.pressed = true;
  }

  release() {
    this.keys.clear();
    this.triggers.clear();
    this.pressed = false;
    this.stickDirection = { dx: 0, dy: 0 };
  }

  listenToKeys() {
    addEventListener("keydown", (event) => {
      const typing = event.target instanceof Element && event.target.closest("input, textarea, select, button, a");
      if (!this.enabled || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.code === "Space") this.press("key");
      else if (DIRECTIONS[event.code]) this.keys.add(event.code);
      else return;
      // The arrow keys aim in the direction of movement until the mouse moves.
      if (event.code.startsWith("Arrow")) this.mouse = null;
      event.preventDefault();
    });
    addEventListener("keyup", (event) => {
      this.keys.delete(event.code);
      if (event.code === "Space") this.triggers.delete("key");
    });
    addEventListener("blur", () => this.release());
  }

  listenToMouse(canvas) {
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.mouse = { x: event.clientX, y: event.clientY };
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      this.mouse = { x: event.clientX, y: event.clientY };
      this.press("mouse");
    });
    addEventListener("pointerup", (event) => {
      if (event.pointerType === "mouse") this.triggers.delete("mouse");
    });
  }

  listenToStick(stick) {
    const knob = stick.firstElementChild;
    const steer = (event) => {
      const { left, top, width, height } = stick.getBoundingClientRect();
      let dx = (event.clientX - left - width / 2) / (width / 2 - 18);
      let dy = (event.clientY - top - height / 2) / (height / 2 - 18);
      const length = Math.max(1, Math.sqrt(dx * dx + dy * dy));
      dx /= length;
      dy /= length;
      this.stickDirection = { dx, dy };
      this.mouse = null;
      knob.style.transform = `translate(${dx * 34}px, ${dy * 34}px)`;
    };
    const release = () => {
      this.stickDirection = { dx: 0, dy: 0 };
      knob.style.transform = "";
    };
    stick.addEventListener("pointerdown", (event) => {
      stick.setPointerCapture(event.pointerId);
      steer(event);
    });
    stick.addEventListener("pointermove", (event) => stick.hasPointerCapture(event.pointerId) && steer(event));
    stick.addEventListener("lostpointercapture", release);
  }

  listenToTrigger(trigger) {
    trigger.addEventListener("pointerdown", (event) => {
      trigger.setPointerCapture(event.pointerId);
      this.mouse = null;
      this.press("button");
    });
    trigger.addEventListener("lostpointercapture", () => this.triggers.delete("button"));
    trigger.addEventListener("contextmenu", (event) => event.preventDefault());
  }
}
