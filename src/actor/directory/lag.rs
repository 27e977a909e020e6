//! How long calls wait for a directory.

use actix::{Context, Handler};

use super::Directory;
use crate::cluster::probe::Probe;
use crate::metric::Worker;
use crate::slow;

impl Handler<Probe> for Directory {
    type Result = ();

    fn handle(&mut self, probe: Probe, _: &mut Context<Self>) {
        let (waited, worker) = (probe.waited(), self.shared.worker);
        let lag = &self.shared.metrics.call_lag;
        lag.of(&Worker { worker: worker.0 })
            .observe_duration(waited);
        slow::note(waited, slow::Kind::Wait, || {
            format!("a call that waited for worker {worker}")
        });
    }
}
