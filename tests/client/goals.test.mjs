// The goals of the client (docs/client.md) against a real server at TURNTABLE_URL.

import "./outage.live.mjs";
import "./cuts.mjs";
