// The service `chat`: what one user says reaches the function `chat:sendMessage` of the
// clients of all who have joined.

/** @type {Map<string, any>} */
const members = new Map();

export const service = {
  join(args, avatar) {
    members.set(avatar.user, avatar);
    return [...members.values()].map((member) => member.get("username"));
  },

  leave(args, avatar) {
    members.delete(avatar.user);
  },

  say({ text = "" } = {}, avatar) {
    const message = { from: avatar.get("username"), text: String(text).slice(0, 300) };
    for (const [user, member] of members) {
      member.chat.sendMessage(message, (result, error) => {
        // A user that has gone.
        if (error?.code === "service_down") members.delete(user);
      });
    }
  },
};
