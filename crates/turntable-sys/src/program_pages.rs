//! Pages of the program's file that are in memory because they were used once.
//!
//! A start reads the configuration, compiles schemas and sets up TLS; what that took of the
//! program stays mapped, although nothing needs it again. rustix 1.1 has `madvise`, but no
//! way to find the program.

/// Unmaps the pages of the program's code and constants: the kernel's cache keeps the file,
/// so what is used next costs a fault of about a microsecond for 64 kB. Returns how many
/// bytes of address space that was; 0 where the program cannot be found.
#[cfg(target_os = "linux")]
pub fn release_program_pages() -> usize {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else {
        return 0;
    };
    let own = release_program_pages as *const () as usize;
    linux::parts_of_program(&maps, own)
        .into_iter()
        .filter(linux::release)
        .map(|part| part.end - part.start)
        .sum()
}

/// Unmaps the pages of the program's code: only on Linux.
#[cfg(not(target_os = "linux"))]
pub fn release_program_pages() -> usize {
    0
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ops::Range;

    /// A line of `/proc/self/maps`.
    struct Mapping<'m> {
        range: Range<usize>,
        permissions: &'m str,
        offset: &'m str,
        /// Device and number of its file.
        file: (&'m str, &'m str),
    }

    impl<'m> Mapping<'m> {
        fn parse(line: &'m str) -> Option<Self> {
            let mut fields = line.split_ascii_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let number = |hex| usize::from_str_radix(hex, 16).ok();
            Some(Self {
                range: number(start)?..number(end)?,
                permissions: fields.next()?,
                offset: fields.next()?,
                file: (fields.next()?, fields.next()?),
            })
        }
    }

    /// The parts of the program's file that nothing writes to, where one contains `own`: its
    /// code, and its constants at the beginning of the file. What the loader has relocated
    /// is a third part, read-only by then, and not among them.
    pub(super) fn parts_of_program(maps: &str, own: usize) -> Vec<Range<usize>> {
        let mappings = || maps.lines().filter_map(Mapping::parse);
        let is_code = |of: &Mapping<'_>| of.permissions == "r-xp" && of.range.contains(&own);
        let Some(code) = mappings().find(|of| is_code(of) && of.file.1 != "0") else {
            return Vec::new();
        };
        let is_begin = |of: &Mapping<'_>| {
            of.permissions == "r--p" && of.file == code.file && of.offset.bytes().all(|b| b == b'0')
        };
        let begin = mappings().find(is_begin).map(|of| of.range);
        begin.into_iter().chain([code.range]).collect()
    }

    pub(super) fn release(part: &Range<usize>) -> bool {
        // SAFETY: the range is a private mapping of the program's file as a whole, never
        // written to: the kernel reads the same bytes again when they are used, as nobody
        // can write to the file of a running program (`ETXTBSY`).
        let result = unsafe {
            libc::madvise(
                part.start as *mut libc::c_void,
                part.end - part.start,
                libc::MADV_DONTNEED,
            )
        };
        result == 0
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55a232391000-55a23284d000 r--p 00000000 fe:00 10011631                   /usr/bin/a b
55a23284d000-55a23379c000 r-xp 004bb000 fe:00 10011631                   /usr/bin/a b
55a23379c000-55a233810000 r--p 01409000 fe:00 10011631                   /usr/bin/a b
55a233810000-55a233828000 rw-p 0147c000 fe:00 10011631                   /usr/bin/a b
7f0000000000-7f0000001000 r-xp 00000000 00:00 0                          [vdso]
7f0000002000-7f0000003000 r--p 00000000 fe:00 77                         /lib/c
7f0000003000-7f0000004000 r-xp 00001000 fe:00 77                         /lib/c
";

    #[test]
    fn code_and_constants_are_released_and_nothing_that_was_written() {
        let parts = linux::parts_of_program(MAPS, 0x55a2_3284_d010);
        assert_eq!(
            parts,
            [
                0x55a2_3239_1000..0x55a2_3284_d000,
                0x55a2_3284_d000..0x55a2_3379_c000
            ]
        );
        // Not in code, in code of no file, and what is no list at all.
        for own in [0x55a2_3381_0000, 0x7f00_0000_0000, 1] {
            assert!(linux::parts_of_program(MAPS, own).is_empty(), "{own:x}");
        }
        assert!(linux::parts_of_program("a-b\n\nx y z", 1).is_empty());
    }

    #[test]
    fn program_runs_on() {
        let written: Vec<u64> = (0..10_000).collect();
        assert!(release_program_pages() > 100_000);
        assert_eq!(written.iter().sum::<u64>(), 49_995_000);
        assert_eq!(format!("{:?}", linux::parts_of_program(MAPS, 1)), "[]");
    }
}
