// The goals of the client (docs/client.md) against a real server at TURNTABLE_URL: outages and bad
// networks. Those under random cuts are in goals_cuts.test.mjs: files run at the same time.

import "./outage.live.mjs";
