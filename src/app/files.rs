//! The open files that the process may have: each connection is one, and the usual limit of
//! a shell is far below `server.connections_max`.

use anyhow::bail;

use super::operators::OPERATORS_MAX;

/// Files that the process opens beside connections of clients.
const OTHER_FILES: u64 = 64 + OPERATORS_MAX as u64;
/// Files that each worker opens beside connections.
const WORKER_FILES: u64 = 8;

/// Takes as many files as the system allows. Returns how many connections may have one:
/// some are left for listeners, the operator and the gateways.
///
/// # Errors
/// There are too few for any connection.
pub(super) fn of_connections(workers: usize, connections_max: usize) -> anyhow::Result<u64> {
    let files = rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap_or_else(|error| {
        log::warn!("the limit of open files could not be raised: {error}");
        rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1_024, |(soft, _)| soft)
    });
    let left = left(files, workers)?;
    if left < connections_max as u64 {
        log::warn!(
            "at most {left} connections, fewer than server.connections_max ({connections_max}): \
             the system allows {files} open files"
        );
    }
    Ok(left)
}

/// How many of so many files are left for connections.
fn left(files: u64, workers: usize) -> anyhow::Result<u64> {
    let reserve = OTHER_FILES + WORKER_FILES * workers as u64;
    if files <= reserve {
        bail!(
            "the system allows {files} open files, and a server with {workers} workers needs more \
             than {reserve}: raise the limit (ulimit -n), or lower server.workers"
        );
    }
    Ok(files - reserve)
}

/// How many workers a configuration means.
pub(super) fn workers(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_needs_files_and_connections_get_the_rest() {
        assert_eq!(left(1_024, 2).unwrap(), 1_024 - 144);
        assert_eq!(left(145, 2).unwrap(), 1);
        let error = left(144, 2).unwrap_err().to_string();
        assert!(error.contains("needs more than 144"), "{error}");
        assert!(left(1_024, 200).is_err());
    }
}
