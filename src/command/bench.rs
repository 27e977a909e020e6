//! `turntable bench`, and the server that it measures calls with: one with a service of
//! its own, which answers with what it is called with.

use crate::config::source::Sources;
use crate::service::{Answer, LocalService, LocalServices, ServiceCaller};
use turntable_bench::{BenchArgs, LOCAL, Scenario};
use turntable_core::payload::Payload;

pub(super) fn run(
    args: &BenchArgs,
    start: impl FnOnce(Sources, LocalServices) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if !matches!(args.scenario, Scenario::ServiceServer) {
        return Ok(turntable_bench::run(args)?);
    }
    let mut services = LocalServices::default();
    services.add(LOCAL.0, Echo)?;
    start(Sources::read(None)?, services)
}

struct Echo;

impl LocalService for Echo {
    fn functions(&self) -> Vec<Box<str>> {
        vec![LOCAL.1.into()]
    }

    fn call(&self, _: ServiceCaller, _: &str, args: Option<Payload>) -> Answer {
        let result = args.unwrap_or_else(|| Payload::from_json("null"));
        Box::pin(std::future::ready(Ok(result)))
    }

    fn never_blocks(&self) -> bool {
        true
    }
}
