//! The stand-alone service: this program again, with `turntable-client`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;
use turntable_client::{Client, Encoding, Provided, Service};

use super::ALONE;
use crate::error::BenchError;
use crate::process::Process;
use crate::server::{Server, child_command};

type Result<T> = std::result::Result<T, BenchError>;

/// Its user.
const USER: &str = "service:bench";
/// What it prints when it is called.
const READY: &str = "providing";

/// `services.alone.providers`.
pub(super) fn providers() -> String {
    format!("[{USER:?}]")
}

/// The service as a child process. It is killed when this is dropped.
pub(super) struct Alone {
    pub(super) process: Process,
    child: Child,
}

impl Alone {
    /// Starts it, and waits until it is an instance of its service.
    ///
    /// # Errors
    /// If it cannot be started, or may not provide the service.
    pub(super) fn start(server: &Server) -> Result<Self> {
        let url = format!("ws://{}{}", server.address.socket, server.address.path);
        let mut command = child_command(&["bench", "call-service", &url])?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::doing(format!("starting {command:?}")))?;
        let stdout = child.stdout.take();
        let alone = Self {
            process: Process { pid: child.id() },
            child,
        };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            let read = BufReader::new(stdout).read_line(&mut line);
            read.map_err(BenchError::doing("waiting for the stand-alone service"))?;
        }
        match line.trim_end() {
            READY => Ok(alone),
            other => Err(BenchError::Conversation(format!(
                "the stand-alone service does not start: {other}"
            ))),
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves calls until the process is ended from outside, or its standard input ends.
///
/// # Errors
/// If the server cannot be reached, or refuses the service.
pub(in crate::calls) async fn serve(url: &str) -> Result<()> {
    let failed = |error: turntable_client::Error| BenchError::Conversation(error.to_string());
    let client = Client::builder(url).user(USER).encoding(Encoding::Json);
    let client = client.connect().await.map_err(failed)?;
    let service = Service::new(ALONE, ()).function("echo", async |_, _, args: Value| Ok(args));
    match client.provide(service).await.map_err(failed)? {
        Provided::Service => println!("{READY}"),
        Provided::Own => return Err(BenchError::Conversation("no instance".to_owned())),
    }
    let ended = client.ended().await;
    Err(BenchError::Conversation(ended.to_string()))
}

/// Runs the service.
///
/// # Errors
/// As [`serve`].
pub(crate) fn serve_process(url: &str) -> Result<()> {
    std::thread::spawn(|| {
        // If the benchmark is killed, the service must end, too.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::doing("starting a runtime"))?;
    runtime.block_on(serve(url))
}
