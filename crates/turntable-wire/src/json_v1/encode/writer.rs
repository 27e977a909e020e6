//! Writes JSON values, objects and lists to a buffer: the protocol's keys as they are, other
//! texts with escapes where they need some.

/// Writes one value.
pub(super) struct Slot<'o>(pub(super) &'o mut Vec<u8>);

impl<'o> Slot<'o> {
    /// A string that may need escapes.
    pub(super) fn string(self, text: &str) {
        let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            self.plain(text);
        } else {
            self.serialize(text);
        }
    }

    /// A string that needs no escapes.
    pub(super) fn plain(self, text: &str) {
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }

    pub(super) fn whole(self, value: u64) {
        self.serialize(&value);
    }

    /// A number; an integral one without a fraction, as clients write it.
    pub(super) fn number(self, value: f64) {
        /// Up to here every integral `f64` is a safe integer of JavaScript, too.
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
            self.serialize(&(value as i64));
        } else {
            self.serialize(&value);
        }
    }

    pub(super) fn boolean(self, value: bool) {
        self.json(if value { "true" } else { "false" });
    }

    /// A value that is JSON already.
    pub(super) fn json(self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    pub(super) fn object(self) -> Object<'o> {
        Object::begin(self.0)
    }

    pub(super) fn list<T>(self, elements: &[T], write: impl Fn(&T, Slot<'_>)) {
        self.0.push(b'[');
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            write(element, Slot(self.0));
        }
        self.0.push(b']');
    }

    /// A string or a number, through serde_json.
    fn serialize<T: serde::Serialize + ?Sized>(self, value: &T) {
        // Writing such a value to a vector cannot fail.
        let _: serde_json::Result<()> = serde_json::to_writer(self.0, value);
    }
}

/// An object that is being written.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// Writes a key of the protocol, which needs no escapes, and expects its value.
    pub(super) fn key(&mut self, name: &'static str) -> Slot<'_> {
        self.separate();
        Slot(self.out).plain(name);
        self.out.push(b':');
        Slot(self.out)
    }

    /// Writes any key, and expects its value.
    pub(super) fn entry(&mut self, name: &str) -> Slot<'_> {
        self.separate();
        Slot(self.out).string(name);
        self.out.push(b':');
        Slot(self.out)
    }

    fn separate(&mut self) {
        if self.is_empty {
            self.is_empty = false;
        } else {
            self.out.push(b',');
        }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}
