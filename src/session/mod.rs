//! The session: what outlives a connection.
