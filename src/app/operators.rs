//! The listener of the operator.

use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::HttpService;
use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;

use super::settings::NodeSettings;
use crate::http::operator as guarding;
use crate::http::operator_connection::{OperatorConnection, OperatorConnections};
use crate::management::Management;

/// Connections to the operator's listener.
pub(super) const OPERATORS_MAX: usize = 64;
/// How long the head of an operator's request may take, also because this process waits.
const OPERATORS_HEAD: Duration = Duration::from_secs(5);
/// How long the end of a connection may take.
const OPERATORS_END: Duration = Duration::from_secs(2);

/// Serves the operator's pages and calls.
pub(super) fn serve_operators(
    listener: TcpListener,
    operator: Management,
    settings: &NodeSettings,
) -> anyhow::Result<Server> {
    let tls = settings.certificates.management.clone();
    let settings = settings.http.clone();
    let server = Server::build()
        .workers(1)
        .max_concurrent_connections(OPERATORS_MAX)
        .disable_signals()
        .listen("management", listener, move || {
            let operator = operator.clone();
            let (guarded, metrics) = (settings.clone(), operator.metrics());
            let counted = metrics.clone();
            let in_force = operator.in_force();
            let app = App::new()
                .wrap(from_fn(move |request, next| {
                    let is_open = in_force.get().access.is_open();
                    guarding::guard((guarded.clone(), is_open), metrics.clone(), request, next)
                }))
                .configure(move |config| operator.routes(config));
            let http = HttpService::build()
                .client_request_timeout(OPERATORS_HEAD)
                .client_disconnect_timeout(OPERATORS_END)
                .on_connect_ext(|connection: &OperatorConnection, data| {
                    data.insert(connection.clone());
                })
                .finish(map_config(app, |()| AppConfig::default()));
            let connections = OperatorConnections::new(tls.clone(), settings.clone(), counted);
            let connections = Rc::new(connections);
            fn_service(move |stream: TcpStream| connections.clone().accept(stream)).and_then(http)
        })?
        .run();
    Ok(server)
}
