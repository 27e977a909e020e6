//! The memory of the process and of the machine, as Linux reports them.

use std::fs;
use std::path::Path;

/// Resident memory of the process, in bytes; `None` where the system does not
/// report it.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    // `statm` counts pages, whose size is not the same everywhere.
    bytes_of(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS")
}

/// Memory that the process may use at most, in bytes: that of the machine, or what
/// the control groups of the process allow.
#[must_use]
pub fn machine_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| bytes_of(&text, "MemTotal"));
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let allowed = group_files(&own).into_iter().filter_map(|file| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()?;
        text.trim().parse().ok()
    });
    machine.into_iter().chain(allowed).min()
}

/// What the process may use at most where the configuration allows so many bytes; 0:
/// half of what there is.
#[must_use]
pub fn budget_bytes(configured: u64) -> Option<u64> {
    match configured {
        0 => machine_bytes().map(|bytes| bytes / 2),
        max => Some(max),
    }
}

/// The value of a line like `VmRSS:   123 kB`, in bytes.
fn bytes_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let (number, unit) = line.strip_prefix(':')?.trim().split_once(' ')?;
    let kib: u64 = number.parse().ok()?;
    (unit == "kB").then(|| kib.saturating_mul(1_024))
}

/// The files with the limits of control groups: of this process's group and of
/// those above it (version 2), and of version 1.
fn group_files(own: &str) -> Vec<String> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let groups = Path::new(path.unwrap_or_default()).ancestors();
    let files = groups.map(|group| group.join("memory.max").to_string_lossy().into_owned());
    files
        .chain(["memory/memory.limit_in_bytes".to_owned()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let status = "Name:\tturntable\nVmPeak:\t  900 kB\nVmRSS:\t   12345 kB\n";
        assert_eq!(bytes_of(status, "VmRSS"), Some(12_345 * 1_024));
        assert_eq!(bytes_of(status, "MemTotal"), None);
        assert_eq!(bytes_of("VmRSS:\t7 pages\n", "VmRSS"), None);
        assert_eq!(
            group_files("1:name=x:/\n0::/a/b\n"),
            [
                "a/b/memory.max",
                "a/memory.max",
                "memory.max",
                "memory/memory.limit_in_bytes"
            ]
        );
        assert_eq!(
            group_files("0::/\n"),
            ["memory.max", "memory/memory.limit_in_bytes"]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn process_uses_less_than_the_machine_has() {
        let (used, has) = (resident_bytes(), machine_bytes());
        assert!(used.is_some_and(|used| used > 0));
        assert!(used < has, "{used:?} of {has:?}");
    }
}
