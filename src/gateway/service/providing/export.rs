//! What a session provides as a value, with the calls that it has.

use serde::{Deserialize, Serialize};

use super::{OwnerCalls, PROVIDED_MAX, Providing, is_short};
use turntable_core::call::ServiceCall;
use turntable_core::key::Caller;
use turntable_core::rate::{Bucket, BucketExport};
use turntable_core::session::export::ImportError;

/// Calls that one session may have: the greatest `in_flight_max` of a service.
const OPEN_MAX: usize = 100_000;
/// Ids of calls are whole numbers that all clients read.
const NUMBER_MAX: u64 = 1 << 53;

/// What a session provides, as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvidingExport {
    /// The owners of its services and functions, with the names of the functions.
    pub services: Vec<(Box<str>, Vec<Box<str>>)>,
    /// The calls that it has: the ids that it was sent, the owners, and the numbers there.
    pub open: Vec<(u64, Box<str>, u64)>,
    /// The last id.
    pub last: u64,
    /// Answers that may come although they are not awaited any more.
    pub late: u64,
    /// Its budget of answers to calls that it was not given.
    pub strays: BucketExport,
}

impl Providing {
    /// As a value.
    pub(in crate::gateway) fn export(&self, now_ms: u64) -> ProvidingExport {
        let services = self.services.iter();
        let services = services.map(|(owner, functions)| (owner.clone(), functions.clone()));
        let open = self.open.iter();
        let open = open.map(|(id, (owner, number))| (*id, owner.clone(), *number));
        let mut open: Vec<_> = open.collect();
        open.sort_unstable();
        ProvidingExport {
            services: services.collect(),
            open,
            last: self.last,
            late: self.late,
            strays: self.strays.export(now_ms),
        }
    }

    /// That of a value.
    ///
    /// # Errors
    /// [`ImportError`] where it is beyond what one session may provide, or names something
    /// twice.
    pub(in crate::gateway) fn import(
        export: ProvidingExport,
        now_ms: u64,
    ) -> Result<Self, ImportError> {
        let ProvidingExport {
            services,
            open,
            last,
            late,
            strays,
        } = export;
        if services.len() > PROVIDED_MAX || !services.iter().all(|(_, all)| is_short(all)) {
            return Err(ImportError::TooMany("services"));
        }
        if open.len() > OPEN_MAX {
            return Err(ImportError::TooMany("calls"));
        }
        let is_later = |(id, ..): &(u64, Box<str>, u64)| *id > last;
        if last > NUMBER_MAX || late > last || open.iter().any(is_later) {
            return Err(ImportError::Number);
        }
        let (given, provided) = (open.len(), services.len());
        let open = open.into_iter();
        let known = Self {
            services: services.into_iter().collect(),
            open: open
                .map(|(id, owner, number)| (id, (owner, number)))
                .collect(),
            last,
            late,
            strays: Bucket::import(strays, now_ms),
        };
        match (known.open.len() == given, known.services.len() == provided) {
            (true, true) => Ok(known),
            (false, _) => Err(ImportError::Duplicate("calls")),
            (true, false) => Err(ImportError::Duplicate("services")),
        }
    }

    /// The session came here without a connection: what owners are sent. It gets no calls
    /// before it is resumed, and may answer those that it has.
    pub(in crate::gateway::service) fn moved(&self, caller: Caller) -> OwnerCalls {
        let withdrawn = |owner: Box<str>| {
            let functions = Vec::new();
            let call = ServiceCall::Provide {
                caller,
                functions,
                address: None,
            };
            (owner, call)
        };
        self.services.keys().cloned().map(withdrawn).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn value_that_no_session_can_have_is_refused() {
        let good = ProvidingExport {
            services: vec![("forum".into(), vec!["f".into()])],
            open: vec![(2, "forum".into(), 7)],
            last: 2,
            late: 1,
            strays: BucketExport::default(),
        };
        let read = |export: &ProvidingExport| Providing::import(export.clone(), 1);
        assert_eq!(read(&good).unwrap().export(1), good);
        let many = |count: usize| {
            let names = (0..count).map(|number| number.to_string().into());
            names.map(|name| (name, Vec::new())).collect()
        };
        let changes: [&dyn Fn(&mut ProvidingExport); 6] = [
            &|export| export.services = vec![("x".into(), Vec::new()); 2],
            &|export| export.services = vec![("x".into(), vec!["y".repeat(20_000).into()])],
            &|export| export.services = many(PROVIDED_MAX + 1),
            &|export| export.open.push((2, "chat".into(), 8)),
            &|export| export.last = 1,
            &|export| export.late = 3,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut export = good.clone();
            change(&mut export);
            assert!(read(&export).is_err(), "{number}");
        }
        let mut export = good;
        export.services = many(PROVIDED_MAX);
        assert!(read(&export).is_ok());
    }
}
