/**
 * What is known of one room, for all holders of its seat. No network, no events.
 * @module
 */

/** @import { Action, JoinOptions } from "./room.js" */

/**
 * @typedef {object} Member
 * @property {string | undefined} team
 * @property {"joined" | "away"} state `away`: disconnected, its seat is reserved
 */

export class RoomState {
  /** The room's id. @readonly @type {string} */
  channel;
  /** This user's id in the room. @type {string | undefined} */
  self;
  /** This user's team. @type {string | undefined} */
  team;
  /** The game's name. @type {string | undefined} */
  game;
  /** The stored state for late joiners. @type {any} */
  stored;
  /** @type {Map<string, Member>} */
  members = new Map();
  /** Whether this client is a member. */
  active = false;
  /** Whether members and state belong to a lost session. */
  stale = false;

  /** @param {string} channel */
  constructor(channel) {
    this.channel = channel;
  }

  /**
   * The data of `joingame`.
   * @param {JoinOptions} options
   * @param {string} user
   * @returns {Record<string, any>}
   */
  joinData({ team, game }, user) {
    return { channel: this.channel, self: user, team: team ?? this.team, game: game ?? this.game };
  }

  /** @param {JoinOptions} options of a join that succeeded */
  acquired({ game }) {
    this.game = game ?? this.game;
  }

  /**
   * @param {any} data of a `joined`
   * @returns {boolean} whether the room was joined again in a new session
   */
  joined(data) {
    const again = this.stale;
    this.active = true;
    this.stale = false;
    this.self = data.self ?? this.self;
    this.team = data.team ?? undefined;
    this.stored = data.state;
    this.members.clear();
    for (const [id, member] of Object.entries(data.members ?? {})) {
      this.members.set(id, { team: member?.team ?? undefined, state: member?.state ?? "joined" });
    }
    return again;
  }

  /** @param {Record<string, any>} changes of a `memberchange` */
  changed(changes) {
    for (const [id, change] of Object.entries(changes)) {
      const team = this.members.get(id)?.team;
      if (isGone(change)) this.members.delete(id);
      else this.members.set(id, { team, state: change === "away" ? "away" : "joined" });
    }
  }

  /**
   * Whether a `memberchange` ends the membership of this client.
   * @param {Record<string, any>} changes
   * @param {string} self
   */
  isRemoved(changes, self) {
    return this.active && Object.hasOwn(changes, self) && isGone(changes[self]);
  }

  /** @param {Action[]} actions */
  acted(actions) {
    for (const { from, team } of actions) {
      // `memberchange` does not contain a new member's team; its actions do.
      const member = this.members.get(from);
      if (member && team !== undefined) member.team = team;
    }
  }
}

/** @param {any} change of a member */
function isGone(change) {
  return change === "left";
}
