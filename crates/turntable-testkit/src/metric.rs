//! The server's public names that tests look for: metrics, and keys of the
//! configuration that more than one test sets.

/// Connections now.
pub const CONNECTIONS: &str = "turntable_connections";
/// HTTP connections now.
pub const HTTP_CONNECTIONS: &str = "turntable_http_connections";
/// Connections that were opened.
pub const ACCEPTED: &str = "turntable_connections_accepted_total";
/// Sessions now, those without a connection too.
pub const SESSIONS: &str = "turntable_sessions";
/// Bytes read from clients.
pub const RECEIVED_BYTES: &str = "turntable_received_bytes_total";
/// Bytes written to clients.
pub const SENT_BYTES: &str = "turntable_sent_bytes_total";
/// Actors that ended in a fault.
pub const ACTORS_LOST: &str = "turntable_actors_lost_total";
/// Replacements of such actors that know what the former knew.
pub const ACTORS_RECOVERED: &str = "turntable_actors_recovered_total";

/// How often a gateway stopped reading because a worker was behind.
pub const READING_PAUSED: &str = "turntable_reading_paused_total";

/// HTTP requests that waited because a worker was behind.
pub const REQUESTS_PAUSED: &str = "turntable_requests_paused_total";

/// Connections that were closed because their client reads too slowly.
pub const CLOSED_TOO_SLOW: &str = "turntable_connections_closed_total{name=\"too_slow\"}";
/// Connections that were closed because their client did not identify in time.
pub const CLOSED_NOT_IDENTIFIED: &str =
    "turntable_connections_closed_total{name=\"not_identified\"}";
/// Connections that were closed because a ping was not answered.
pub const CLOSED_HEARTBEAT_MISSED: &str =
    "turntable_connections_closed_total{name=\"heartbeat_missed\"}";
/// Handshakes that were refused because of their origin.
pub const REFUSED_ORIGIN: &str = "turntable_handshakes_refused_total{name=\"origin\"}";
/// Users that are watched and have no avatar.
pub const ABSENT_WATCHED: &str = "turntable_absent_watched";
/// Users that have a session or something that waits for them.
pub const AVATARS: &str = "turntable_actors{name=\"avatar\"}";
/// Services that exist.
pub const SERVICES: &str = "turntable_actors{name=\"service\"}";
/// Rooms now.
pub const ROOMS: &str = "turntable_actors{name=\"room\"}";
/// Channels now.
pub const CHANNELS: &str = "turntable_actors{name=\"channel\"}";

/// Invites that can be answered.
pub const INVITES: &str = "turntable_invites";

/// Refusals because the limit of this key is reached.
pub fn limit_reached(key: &str) -> String {
    format!("turntable_limits_reached_total{{name=\"{key}\"}}")
}

/// The key that switches a transport on or off, as `websocket`.
pub fn transport_key(transport: &str) -> String {
    format!("transports.{transport}")
}

/// Commands and connections that the limit of this key refused or closed, as
/// `limits.publish`.
pub fn limits_reached(key: &str) -> String {
    format!("turntable_limits_reached_total{{name=\"{key}\"}}")
}
