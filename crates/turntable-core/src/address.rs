//! The address of a client, as limits count it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// An IPv4 address, or the /64 of an IPv6 one: a client there has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address(u64);

impl Address {
    /// The address by which a client at `ip` is counted.
    ///
    /// ```
    /// use turntable_core::address::Address;
    /// let of = |text: &str| Address::of(text.parse().unwrap());
    /// assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::"));
    /// assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    /// assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    /// ```
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            // No network of IPv6 begins with 32 bits that are 0.
            IpAddr::V4(v4) => Self(v4.to_bits().into()),
            IpAddr::V6(v6) => Self((v6.to_bits() >> 64) as u64),
        }
    }

    /// The address that it counts by: of a /64 the first.
    ///
    /// ```
    /// use std::net::IpAddr;
    /// use turntable_core::address::Address;
    /// for (text, counted) in [
    ///     ("::ffff:192.0.2.1", "192.0.2.1"),
    ///     ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    ///     ("::1", "::"),
    /// ] {
    ///     let [ip, counted] = [text, counted].map(|text| text.parse::<IpAddr>().unwrap());
    ///     assert_eq!(Address::of(ip).ip(), counted);
    /// }
    /// ```
    #[must_use]
    pub fn ip(self) -> IpAddr {
        match u32::try_from(self.0) {
            // 0.0.0.0 is no client, and ::1 is one.
            Ok(bits) if bits > 0 => IpAddr::V4(bits.into()),
            _ => IpAddr::V6((u128::from(self.0) << 64).into()),
        }
    }

    /// The address of a number, for tests.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}
