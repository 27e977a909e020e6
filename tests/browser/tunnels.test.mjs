/** Tunnels in a real browser: EventSource, forever frame, streams of fetch, script tags. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

/** Strings that could escape from a format that lacks escaping. */
const HOSTILE = [
  "</script><script>window.parent.hacked = window.hacked = 1</script>",
  "<img src=x onerror='parent.hacked = window.hacked = 1'>",
  "\"); parent.hacked = 1; (\"",
  "'); window.hacked = 1; //",
  "\\\"); window.hacked = 1; //",
  "\u2028\u2029\ufeff\u0000\ud83d\ude00",
  "line\nline\r\n\r\nevent: close\ndata: x\n\nid: 7",
  "\r\n--turntable\r\nContent-Type: text/html\r\n\r\n--turntable--\r\n",
  "<!-- --> <![CDATA[ ]]> &lt; &amp; ]]> */",
  { a: [1, null, true, "\u2028"], "</script>": "<b>" },
];

/** Defines functions in the page: received datagrams, sending, reading of streams. */
const SETUP = () => {
  window.received = [];
  window.send = async (path, data) => {
    const answer = await fetch("/tunnel/send", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ tunnel: window.tunnel, path, data }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };
  window.published = () => window.received.filter(({ path }) => path === "/channel/c").map(({ data }) => data);
  // Reads a stream as text in chunks.
  window.follow = async (address, each) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(await answer.text());
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return text;
      text = each(text + value);
    }
  };
};

/** A page with these functions. */
async function page(open) {
  const visitor = await open("/", { user: "1:900" });
  await visitor.page.evaluate(SETUP);
  return visitor;
}

/** Joins the channel, publishes the hostile strings and checks that they arrive unchanged. */
async function exchange(visitor) {
  await visitor.until(() => window.tunnel);
  await visitor.page.evaluate(() => window.send("/interest", { add: ["/channel/c"] }));
  await visitor.until(() => window.received.some(({ data }) => data.command === "joined"));
  for (const data of HOSTILE) {
    await visitor.page.evaluate((data) => window.send("/channel/c", data), data);
  }
  await visitor.until((count) => window.published().length >= count, HOSTILE.length);
  assert.deepEqual(await visitor.page.evaluate(() => window.published()), HOSTILE);
  assert.equal(await visitor.page.evaluate(() => window.hacked), undefined);
}

/** Takes the tunnel over, which ends the page's connection. Returns a function that closes it. */
async function takeOver(server, tunnel) {
  const leave = new AbortController();
  const answer = await fetch(`${server.url}/tunnel?id=${tunnel}&format=ndjson`, { signal: leave.signal });
  assert.equal(answer.status, 200);
  return () => leave.abort();
}

scene("an EventSource receives data unchanged", async ({ open }) => {
  const mel = await page(open);
  await mel.page.evaluate(() => {
    const events = new EventSource("/tunnel?new=1&format=sse&user=1:1");
    events.addEventListener("open", (event) => {
      if (event.data) window.tunnel = JSON.parse(event.data).tunnel;
    });
    events.addEventListener("message", (event) => {
      const datagram = JSON.parse(event.data);
      if (datagram.id !== event.lastEventId) throw new Error(`${datagram.id} as ${event.lastEventId}`);
      window.received.push(datagram);
    });
    events.addEventListener("close", () => events.close());
    window.events = events;
  });
  await exchange(mel);
  const [idyou, welcome] = await mel.page.evaluate(() => window.received.map(({ data }) => data));
  assert.deepEqual(idyou, { command: "idyou", data: {} });
  assert.equal(welcome.data.session, await mel.page.evaluate(() => window.tunnel));
});

scene("an EventSource reconnects by itself and continues after its last datagram", async ({ server, open }) => {
  const mel = await page(open);
  await mel.page.evaluate(() => {
    const first = new EventSource("/tunnel?new=1&format=sse&user=1:1");
    window.opens = 0;
    const receive = (event) => window.received.push(JSON.parse(event.data));
    first.addEventListener("open", (event) => {
      if (event.data) window.tunnel = JSON.parse(event.data).tunnel;
    });
    first.addEventListener("message", (event) => {
      receive(event);
      if (window.received.length < 2) return;
      // From here on use the URL with which it reconnects.
      first.close();
      const events = new EventSource(`/tunnel?id=${window.tunnel}&format=sse&after=${event.lastEventId}`);
      events.addEventListener("message", receive);
      events.addEventListener("open", (event) => {
        if (event.data) window.opens += 1;
      });
    });
  });
  await mel.until(() => window.opens === 1);
  await mel.page.evaluate(() => window.send("/interest", { add: ["/channel/c"] }));
  const tunnel = await mel.page.evaluate(() => window.tunnel);
  let published = 0;
  for (let round = 2; round < 5; round += 1) {
    for (const end = published + 3; published < end; published += 1) {
      await mel.page.evaluate((n) => window.send("/channel/c", n), published);
    }
    await mel.until((count) => window.published().length >= count, published);
    // Another connection takes the tunnel over and receives what is published meanwhile.
    const leave = await takeOver(server, tunnel);
    for (const end = published + 3; published < end; published += 1) {
      await mel.page.evaluate((n) => window.send("/channel/c", n), published);
    }
    await mel.until((opens) => window.opens >= opens, round);
    leave();
    await mel.until((count) => window.published().length >= count, published);
  }
  const numbers = Array.from({ length: published }, (_, n) => n);
  assert.deepEqual(await mel.page.evaluate(() => window.published()), numbers);
  const ids = await mel.page.evaluate(() => window.received.map(({ id }) => id));
  assert.equal(new Set(ids).size, ids.length, "an id was received twice");
});

scene("a forever frame calls functions of its page, and no data escapes from its scripts", async ({ server, open }) => {
  const mel = await page(open);
  await mel.page.evaluate(() => {
    window.turntable = {
      open: (tunnel) => (window.tunnel = tunnel),
      datagram: (json) => window.received.push(JSON.parse(json)),
      close: () => (window.isClosed = true),
    };
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.src = "/tunnel?new=1&format=iframe&user=1:1";
    document.body.append(frame);
  });
  await exchange(mel);
  // The frame contains script elements only.
  const names = await mel.page.evaluate(() => {
    const { body } = document.querySelector("iframe").contentDocument;
    return [...new Set([...body.querySelectorAll("*")].map(({ localName }) => localName))];
  });
  assert.deepEqual(names, ["script"]);
  const leave = await takeOver(server, await mel.page.evaluate(() => window.tunnel));
  await mel.until(() => window.isClosed);
  leave();
});

scene("fetch reads an ndjson stream line by line", async ({ open }) => {
  const mel = await page(open);
  await mel.page.evaluate(() => {
    window.follow("/tunnel?new=1&format=ndjson&user=1:1", (text) => {
      const lines = text.split("\n");
      for (const line of lines.slice(0, -1).filter(Boolean)) {
        const datagram = JSON.parse(line);
        if (datagram.tunnel) window.tunnel = datagram.tunnel;
        else window.received.push(datagram);
      }
      return lines.at(-1);
    });
  });
  await exchange(mel);
});

scene("fetch reads a multipart stream part by part", async ({ open }) => {
  const mel = await page(open);
  await mel.page.evaluate(() => {
    window.follow("/tunnel?new=1&format=multipart&user=1:1", (text) => {
      const parts = text.split("--turntable\r\n");
      for (const part of parts.slice(0, -1).filter(Boolean)) {
        const [head, body] = part.split("\r\n\r\n");
        if (head !== "Content-Type: application/json") throw new Error(head);
        const datagram = JSON.parse(body);
        if (datagram?.tunnel) window.tunnel = datagram.tunnel;
        else if (datagram) window.received.push(datagram);
      }
      return parts.at(-1);
    });
  });
  await exchange(mel);
});

scene("script elements poll with jsonp", async ({ open }) => {
  const mel = await page(open);
  await mel.page.evaluate(() => {
    window.app = {
      take(batch) {
        window.tunnel = batch[0].tunnel;
        window.received.push(...batch.slice(1));
        const last = window.received.at(-1).id;
        window.app.ask(`id=${window.tunnel}&after=${last}`);
      },
      ask(query) {
        const script = document.createElement("script");
        script.src = `/tunnel?format=jsonp&callback=app.take&${query}`;
        document.body.append(script);
      },
    };
    window.app.ask("new=1&user=1:1");
  });
  await exchange(mel);
});

scene("callback names and parameters cannot inject a script", async ({ open }) => {
  const mel = await page(open);
  mel.allow(/response: .*\/tunnel\?.* 40\d/);
  mel.allow(/console: Failed to load resource/);
  // A JSON response is not executed as a script.
  mel.allow(/console: Refused to execute script/);
  const evil = ["hacked=1//", "window.hacked=1;f", "hacked=1\n", "(()=>{hacked=1})()||f", "</script>"];
  const queries = evil.flatMap((text) => [
    `new=1&format=jsonp&callback=${encodeURIComponent(text)}`,
    `new=1&format=${encodeURIComponent(text)}`,
    `format=jsonp&callback=f&id=${encodeURIComponent(text)}`,
    `new=1&format=jsonp&callback=f&user=${encodeURIComponent(text)}`,
  ]);
  const failed = await mel.page.evaluate(async (queries) => {
    const run = (query) =>
      new Promise((resolve) => {
        const script = document.createElement("script");
        script.src = `/tunnel?${query}`;
        script.onload = () => resolve(`${query} was run`);
        script.onerror = () => resolve(null);
        document.body.append(script);
      });
    return (await Promise.all(queries.map(run))).filter(Boolean);
  }, queries);
  assert.deepEqual(failed, []);
  // The responses are JSON, not HTML.
  const kinds = await mel.page.evaluate(async (queries) => {
    const answers = await Promise.all(queries.map((query) => fetch(`/tunnel?${query}`)));
    return [...new Set(answers.map(({ headers }) => headers.get("Content-Type")))];
  }, queries);
  assert.deepEqual(kinds, ["application/json"]);
  assert.equal(await mel.page.evaluate(() => window.hacked), undefined);
});

scene("a page polls with fetch alone", async ({ open }) => {
  const mel = await page(open);
  const received = await mel.page.evaluate(async (hostile) => {
    let session;
    const poll = async (entries) => {
      const headers = { "Content-Type": "application/json" };
      if (session) headers["Turntable-Session"] = session;
      const answer = await fetch("/poll", { method: "POST", headers, body: JSON.stringify(entries) });
      session = answer.headers.get("Turntable-Session");
      return answer.json();
    };
    await poll([{ f: "$av:idme", args: "1:1", id: 1 }]);
    await poll([{ f: "$av:joinchannel", args: { channel: "c" }, id: 2 }]);
    const received = [];
    for (const data of hostile) received.push(...(await poll([{ f: "$av:publish", args: { channel: "c", data }, id: 3 }])));
    while (received.filter(({ f }) => f === "$av:message").length < hostile.length) received.push(...(await poll([])));
    return received.filter(({ f }) => f === "$av:message").map(({ args }) => args.data);
  }, HOSTILE);
  assert.deepEqual(received, HOSTILE);
});
