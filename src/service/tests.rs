//! Where functions run, and what waits for a thread that they block.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use parking_lot::Mutex;

use super::*;

/// Blocks its thread until the test goes on.
struct Blocking {
    begun: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl LocalService for Blocking {
    fn functions(&self) -> Vec<Box<str>> {
        vec!["block".into()]
    }

    fn call(&self, _: ServiceCaller, _: &str, _: Option<Payload>) -> Answer {
        self.begun.send(()).unwrap();
        // An error: the test is over.
        let _ = self.go_on.lock().recv();
        Box::pin(async { Ok(Payload::from_json("null")) })
    }
}

#[test]
fn calls_that_a_blocked_thread_does_not_take_are_bounded() {
    let (begun, has_begun) = channel();
    let (end, go_on) = channel();
    let go_on = Mutex::new(go_on);
    let mut services = LocalServices::default();
    services.add("slow", Blocking { begun, go_on }).unwrap();
    let service = services.get("slow").unwrap().clone();
    let (answer, answers) = channel();
    let run = |number| {
        let caller = ServiceCaller { user: None, number };
        let answer = answer.clone();
        let reply = move |outcome: Outcome| {
            let code = outcome.err().map(|error| error.code);
            // The test may be over.
            let _ = answer.send((number, code));
        };
        match services.run(&service, caller, "block".into(), None, reply.clone()) {
            Begun::Running(running) => Some(running),
            Begun::Answered(outcome) => {
                reply(outcome);
                None
            }
        }
    };
    let _blocking = run(0);
    has_begun.recv().unwrap();
    for number in 1..WAITING_MAX as u64 + 10 {
        // It has timed out at once.
        drop(run(number));
    }
    let (number, code) = answers.recv().unwrap();
    assert!(number >= WAITING_MAX as u64);
    assert_eq!(code, Some(ErrorCode::Unavailable));
    drop(end);
}

/// Answers with the thread that it runs on, at once or when it is polled again.
struct Where {
    never_blocks: bool,
}

impl LocalService for Where {
    fn functions(&self) -> Vec<Box<str>> {
        vec!["now".into(), "later".into(), "fails".into()]
    }

    fn call(&self, _: ServiceCaller, function: &str, _: Option<Payload>) -> Answer {
        let function = function.to_owned();
        Box::pin(async move {
            match &*function {
                "fails" => panic!("it fails"),
                "later" => tokio::task::yield_now().await,
                _ => {}
            }
            let name = thread::current().name().unwrap_or_default().to_owned();
            Ok(serde_json::json!(name).into())
        })
    }

    fn never_blocks(&self) -> bool {
        self.never_blocks
    }
}

/// Calls a function. Returns whether the answer was there at once, and the answer.
async fn call(never_blocks: bool, function: &str) -> (bool, Outcome) {
    let mut services = LocalServices::default();
    services.add("where", Where { never_blocks }).unwrap();
    assert_eq!(services.thread.is_none(), never_blocks);
    let service = services.get("where").unwrap().clone();
    let caller = ServiceCaller {
        user: None,
        number: 1,
    };
    let (answer, answered) = tokio::sync::oneshot::channel();
    let reply = move |outcome| drop(answer.send(outcome));
    let begun = services.run(&service, caller, function.into(), None, reply);
    match begun {
        Begun::Answered(outcome) => (true, outcome),
        Begun::Running(_running) => (false, answered.await.unwrap()),
    }
}

#[actix_rt::test]
async fn service_that_never_blocks_runs_on_the_thread_of_its_caller() {
    let here = serde_json::json!(thread::current().name().unwrap_or_default());
    let here: Payload = here.into();
    assert_eq!(call(true, "now").await, (true, Ok(here.clone())));
    assert_eq!(call(true, "later").await, (false, Ok(here)));
    let other: Payload = serde_json::json!("services").into();
    for function in ["now", "later"] {
        assert_eq!(call(false, function).await, (false, Ok(other.clone())));
    }
}

#[actix_rt::test]
async fn panic_of_a_function_is_an_answer() {
    for never_blocks in [true, false] {
        let (_, outcome) = call(never_blocks, "fails").await;
        assert_eq!(outcome.unwrap_err().code, ErrorCode::Internal);
    }
}
