//! A forwarder between a client and the server, whose connections can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use turntable_testkit::Random;

/// Forwards every connection. It cuts them after a random number of bytes in one
/// direction, if it is to; without a close frame in any case.
pub(crate) struct Forwarder {
    pub(crate) address: SocketAddr,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    cuts: Arc<AtomicU64>,
    is_closed: Arc<AtomicBool>,
}

impl Forwarder {
    /// A forwarder that cuts on demand.
    pub(crate) fn start(to: SocketAddr) -> Self {
        Self::begin(to, None)
    }

    /// A forwarder that cuts each connection after at most so many bytes of a direction.
    pub(crate) fn cutting(to: SocketAddr, bytes_max: u64, seed: u64) -> Self {
        Self::begin(to, Some((bytes_max, seed)))
    }

    fn begin(to: SocketAddr, cutting: Option<(u64, u64)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let cuts = Arc::new(AtomicU64::new(0));
        let (all, counted) = (streams.clone(), cuts.clone());
        let is_closed = Arc::new(AtomicBool::new(false));
        let closed = is_closed.clone();
        std::thread::spawn(move || {
            let mut random = Random::new(cutting.map_or(0, |(_, seed)| seed));
            for client in listener.incoming().flatten() {
                if closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(to) else {
                    continue;
                };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                    all.lock().unwrap().push(stream.try_clone().unwrap());
                }
                for (from, into) in [(&client, &server), (&server, &client)] {
                    let left = cutting.map(|(bytes_max, _)| 400 + random.below(bytes_max));
                    let (from, into) = (from.try_clone().unwrap(), into.try_clone().unwrap());
                    let counted = counted.clone();
                    std::thread::spawn(move || forward(from, into, left, &counted));
                }
            }
        });
        Self {
            address,
            streams,
            cuts,
            is_closed,
        }
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts all connections, and takes no others until it is opened.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Takes connections again.
    pub(crate) fn open(&self) {
        self.is_closed.store(false, Ordering::SeqCst);
    }

    /// How many connections it has cut by itself.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

fn forward(mut from: TcpStream, mut into: TcpStream, mut left: Option<u64>, cuts: &AtomicU64) {
    let mut buffer = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let most = left.map_or(count, |left| count.min(left as usize));
        if into.write_all(&buffer[..most]).is_err() {
            break;
        }
        if let Some(left) = &mut left {
            *left -= most as u64;
            if *left == 0 {
                cuts.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
    for stream in [&from, &into] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
