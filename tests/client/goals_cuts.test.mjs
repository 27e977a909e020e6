// The goals of the client (docs/client.md) against a real server at TURNTABLE_URL: random cuts.

import "./cuts.mjs";
