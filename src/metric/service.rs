//! What is counted of services.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metric::label::begin;
use crate::metric::{Calls, Latency, Metrics};
use turntable_core::reason::ErrorCode;

/// The label of a service's metrics. Services are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ServiceLabel {
    /// Its name.
    pub service: String,
}

/// The label of the errors of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ServiceErrorLabel {
    /// The name of the service.
    pub service: String,
    /// The error code.
    pub code: &'static str,
}

/// What is counted of one service.
#[derive(Debug)]
pub struct ServiceMetrics {
    name: String,
    /// Calls.
    pub calls: Counter,
    /// Calls that were not answered yet.
    pub open: Gauge,
    /// How long calls took.
    pub duration: Latency<Calls>,
    /// Answers to no open call.
    pub discarded: Counter,
    errors: Family<ServiceErrorLabel, Counter>,
}

impl ServiceMetrics {
    /// A call was answered with an error.
    pub fn fail(&self, code: ErrorCode) {
        let (service, code) = (self.name.clone(), code.name());
        let label = ServiceErrorLabel { service, code };
        self.errors.get_or_create(&label).inc();
    }
}

impl Metrics {
    /// What is counted of one service. Its series begin with 0.
    #[must_use]
    pub fn service(&self, name: &str) -> ServiceMetrics {
        let label = ServiceLabel {
            service: name.to_owned(),
        };
        for code in ErrorCode::ALL {
            let (service, code) = (label.service.clone(), code.name());
            let label = ServiceErrorLabel { service, code };
            begin(&self.service_errors, &label);
        }
        ServiceMetrics {
            name: name.to_owned(),
            calls: self.service_calls.get_or_create(&label).clone(),
            open: self.service_open.get_or_create(&label).clone(),
            duration: self.service_duration.of(&label),
            discarded: self.service_discarded.get_or_create(&label).clone(),
            errors: self.service_errors.clone(),
        }
    }
}
