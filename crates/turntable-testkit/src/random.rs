//! Numbers that look random and are the same in every run.

/// A generator (splitmix64); any seed will do.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts from this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Runs something with each of these seeds, beside each other; a failure names
    /// its seed.
    pub fn run(seeds: &[u64], test: impl Fn(u64) + Sync) {
        std::thread::scope(|scope| {
            let threads = seeds.iter().map(|seed| {
                let test = &test;
                (seed, scope.spawn(move || test(*seed)))
            });
            for (seed, thread) in threads.collect::<Vec<_>>() {
                assert!(thread.join().is_ok(), "seed {seed:#x}");
            }
        });
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// An index into something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// At most `max` bytes.
    pub fn bytes(&mut self, max: usize) -> Vec<u8> {
        let length = self.index(max + 1);
        (0..length).map(|_| self.number() as u8).collect()
    }
}
