// The client in a page. `?server=` is the address of the server, `?transport=` one transport.

import { begin } from "./client.mjs";

const parameters = new URLSearchParams(location.search);
const url = parameters.get("server") ?? `${location.protocol}//${location.hostname}:8080`;
const transport = parameters.get("transport");

const $ = (id) => document.getElementById(id);
const item = (text) => Object.assign(document.createElement("li"), { textContent: text });
/** The answer to a form: its fields, without a new page. */
const onSubmit = (id, done) =>
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    done();
  });

/** What this browser stores of the login. */
const storedCookie = () => document.cookie.split("; ").find((one) => one.startsWith("chromie="))?.slice("chromie=".length);
const storeCookie = (cookie, age) => (document.cookie = `chromie=${cookie}; path=/; max-age=${age}; SameSite=Strict`);

let login = () => {};
onSubmit("login", () => login({ username: $("username").value, password: $("password").value }));

const $av = begin(
  url,
  {
    showAuthDialog(authenticate, error) {
      const cookie = storedCookie();
      if (cookie && !error) return authenticate({ cookie });
      const is_refused = error?.code === "unauthorized";
      // A cookie of before, perhaps.
      if (cookie && is_refused) storeCookie("", 0);
      login = authenticate;
      const refusal = cookie ? "" : "This name and password are not known.";
      $("login-error").textContent = is_refused ? refusal : (error?.message ?? "");
      $("login").hidden = false;
      $("app").hidden = true;
      showState();
    },

    async start(av) {
      $("login").hidden = true;
      $("app").hidden = false;
      showState();
      for (const [id, key] of [["name", "username"], ["email", "email"]]) {
        $(id).value = av.get(key);
        av.watch(key, (value) => ($(id).value = value));
      }
      av.watch("confirmed", (email) => ($("confirmed").textContent = `A confirmation was sent to ${email}.`));
      onSubmit("profile", () => {
        av.set({ username: $("name").value, email: $("email").value }, (r, error) => {
          $("confirmed").textContent = error ? error.message : "Saved.";
        });
      });

      onSubmit("post", () => {
        av.forum.createPost({ title: $("title").value }, (r, error) => {
          $("post-error").textContent = error ? error.message : "";
          if (error) return;
          $("title").value = "";
          showPosts(av);
        });
      });
      av.forum.onEnable(() => showPosts(av));
      showPosts(av);

      onSubmit("say", () => {
        av.chat.say({ text: $("text").value });
        $("text").value = "";
      });
      const showChat = () => {
        $("closed").hidden = av.chat.enabled;
        for (const control of $("say").elements) control.disabled = !av.chat.enabled;
        if (av.chat.enabled) av.chat.join();
      };
      av.chat.onDisable(showChat);
      av.chat.onEnable(showChat);
      showChat();

      $("logout").addEventListener("click", () => {
        storeCookie("", 0);
        av.disconnect();
        location.reload();
      });
      storeCookie(await av.account.cookie(), 7 * 86_400);
    },

    chat: {
      sendMessage({ from, text }) {
        $("messages").append(item(`${from}: ${text}`));
        $("messages").lastElementChild.scrollIntoView({ block: "nearest" });
      },
      sendFile() {},
    },

    friends: {
      newFriend({ name, why }) {
        $("log").append(item(`New friend ${name}: ${why}.`));
        return `hello ${name}`;
      },
    },
  },
  transport ? { transports: [transport] } : {},
);

async function showPosts(av) {
  const posts = await av.forum.listPosts().catch(() => []);
  $("posts").replaceChildren(...posts.map(({ number, author, title }) => item(`${number}. ${title} (${author})`)));
}

function showState() {
  $("state").textContent = $av.authenticated ? ($av.connected ? `connected as ${$av.get("username")}` : "reconnecting") : $av.connected ? "not logged in" : "connecting";
}
$av.onConnect(showState);
$av.onDisconnect(showState);
$av.watch("username", showState);
