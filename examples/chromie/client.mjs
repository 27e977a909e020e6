// The client setup, in a page or in Node.

import * as chromie from "../../static/turntable.js";

/**
 * @param {string} url of the server
 * @param {object} app what the program does
 * @param {(login: (credentials: object) => void, error?: Error) => void} app.showAuthDialog
 * @param {(av: any) => void} app.start once, when the user is authenticated
 * @param {Record<string, (args: any) => any>} app.chat functions that the server calls
 * @param {Record<string, (args: any) => any>} app.friends
 * @param {object} [options]
 */
export function begin(url, { showAuthDialog, start, chat, friends }, options) {
  let started = false;

  const connectionCheck = function (av, error) {
    if (!av.authenticated) {
      // Show auth dialog
      showAuthDialog((credentials) => av.authenticate(credentials, connectionCheck), error);
    } else if (!started) {
      started = true;
      // app logic here :)
      start(av);
    }
  };

  const $av = chromie.ClientAvatar(url, options);
  $av.onConnect(connectionCheck);
  $av.onDisconnect(connectionCheck);
  $av.addService("chat", chat);
  $av.addService("friends", friends);
  $av.connect();
  return $av;
}
