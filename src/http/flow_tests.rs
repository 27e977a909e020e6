use super::*;

const LIMITS: FlowLimits = FlowLimits {
    head: Duration::from_secs(10),
    keep_alive: Duration::from_secs(65),
    write: Duration::from_secs(30),
    chunked_bytes_max: 1_000_000,
    incomplete: IncompleteLimits {
        total: 1_000_000,
        per_address: 1_000_000,
    },
};
const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[test]
fn head_has_a_time_limit_on_an_idle_connection_too() {
    let start = Instant::now();
    let mut flow = Flow::new(start);
    assert_eq!(flow.deadline(&LIMITS), Some(start + LIMITS.head));
    let (first, rest) = HEAD.split_at(1);
    for second in 0..2 {
        let now = start + Duration::from_secs(second);
        assert_eq!(flow.came(first, now), 1);
        assert!(flow.is_in_head());
        assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.head));
        let later = now + Duration::from_millis(500);
        assert_eq!(flow.came(rest, later), rest.len());
        assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.head));
        assert!(flow.begin(Body::Left(0)));
        assert_eq!(flow.deadline(&LIMITS), None);
        flow.answered();
        assert!(flow.flushed(later));
        assert_eq!(flow.deadline(&LIMITS), Some(later + LIMITS.keep_alive));
    }
}

#[test]
fn nothing_is_read_while_a_request_is_carried_out_but_its_body() {
    let now = Instant::now();
    let mut flow = Flow::new(now);
    assert_eq!(flow.read(&LIMITS), Read::Upto(STEP_BYTES));
    let together = [HEAD, b"body"].concat();
    assert_eq!(flow.came(&together, now), HEAD.len());
    assert_eq!(
        flow.read(&LIMITS),
        Read::Wait,
        "the HTTP server decodes the head"
    );
    flow.begin(Body::Left(20_000));
    assert_eq!(flow.read(&LIMITS), Read::Buffered(20_000));
    assert_eq!(flow.came(b"body", now), 4);
    flow.read_body();
    assert_eq!(flow.read(&LIMITS), Read::Upto(CHUNK_BYTES));
    flow.came(&[0; CHUNK_BYTES], now);
    let left = 20_000 - 4 - CHUNK_BYTES;
    assert_eq!(flow.read(&LIMITS), Read::Upto(left));
    assert_eq!(flow.came(&vec![0; left + 1], now), left);
    assert_eq!(
        flow.read(&LIMITS),
        Read::Wait,
        "what follows is another request"
    );
    flow.stop_body();
    assert_eq!(flow.read(&LIMITS), Read::Wait);
    flow.answered();
    assert_eq!(flow.read(&LIMITS), Read::Wait);
    assert!(flow.flushed(now));
    assert_eq!(flow.read(&LIMITS), Read::Upto(STEP_BYTES));
}

#[test]
fn short_body_is_given_with_its_head() {
    let now = Instant::now();
    let mut flow = Flow::new(now);
    let post = b"POST /poll HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]";
    let two = post.repeat(2);
    for rest in [&two[..], &post[..]] {
        assert_eq!(flow.read(&LIMITS), Read::Upto(STEP_BYTES));
        assert_eq!(flow.came(rest, now), post.len());
        assert_eq!(flow.read(&LIMITS), Read::Wait);
        assert!(flow.begin(Body::Left(2)));
        assert_eq!(flow.read(&LIMITS), Read::Wait, "it has its body");
        flow.read_body();
        flow.stop_body();
        flow.answered();
        assert!(!flow.is_last());
        flow.flushed(now);
    }
}

#[test]
fn body_that_is_not_whole_is_not_given_with_its_head() {
    let now = Instant::now();
    let mut flow = Flow::new(now);
    let head = b"POST /poll HTTP/1.1\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(flow.came(&[&head[..], b"[]"].concat(), now), head.len());
    assert!(flow.begin(Body::Left(3)));
    assert_eq!(flow.read(&LIMITS), Read::Buffered(3));
}

#[test]
fn length_that_the_http_server_does_not_read_ends_the_connection() {
    let now = Instant::now();
    for body in [Body::Left(0), Body::Left(1), Body::Chunked] {
        let mut flow = Flow::new(now);
        flow.came(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", now);
        assert!(!flow.begin(body));
        assert!(flow.is_last());
        assert!(!flow.begin(Body::Left(0)));
    }
}

#[test]
fn heads_that_came_together_are_given_one_by_one() {
    let now = Instant::now();
    let mut flow = Flow::new(now);
    let heads = HEAD.repeat(3);
    for number in 0..3 {
        let (_, rest) = heads.split_at(number * HEAD.len());
        assert_eq!(flow.read(&LIMITS), Read::Upto(STEP_BYTES));
        assert_eq!(flow.came(rest, now), HEAD.len());
        flow.begin(Body::Left(0));
        assert_eq!(flow.read(&LIMITS), Read::Wait);
        flow.answered();
        flow.flushed(now);
    }
}

#[test]
fn body_of_unknown_length_ends_the_connection() {
    let now = Instant::now();
    let mut flow = Flow::new(now);
    flow.came(HEAD, now);
    assert!(flow.begin(Body::Chunked));
    assert_eq!(flow.read(&LIMITS), Read::Wait);
    flow.read_body();
    for _ in 0..100 {
        assert_eq!(flow.read(&LIMITS), Read::Upto(STEP_BYTES));
        flow.came(&[0; STEP_BYTES], now);
        assert_eq!(flow.read(&LIMITS), Read::Upto(STEP_BYTES));
        flow.came(&[0; 1], now);
        assert_eq!(flow.read(&LIMITS), Read::Again);
    }
    flow.stop_body();
    assert!(flow.is_last());
    // Whether anybody reads it or not.
    flow.answered();
    flow.flushed(now);
    let mut bytes = 0;
    while let Read::Upto(most) = flow.read(&LIMITS) {
        bytes += flow.came(&vec![0; most], now);
    }
    assert_eq!(flow.read(&LIMITS), Read::TooMuch);
    assert!(bytes < LIMITS.chunked_bytes_max + CHUNK_BYTES);
    assert!(!flow.begin(Body::Left(0)), "a request behind it");
}

#[test]
fn blocked_socket_stops_reading_and_has_no_time_limit_of_a_head() {
    let now = Instant::now();
    let mut flow = Flow::new(now);
    assert!(!flow.wrote(10));
    assert!(!flow.wrote(0));
    assert_eq!(flow.read(&LIMITS), Read::Wait);
    assert_eq!(flow.deadline(&LIMITS), None);
    assert!(flow.wrote(1));
    assert_eq!(flow.read(&LIMITS), Read::Wait, "there may be more");
    assert!(
        !flow.flushed(now),
        "of the HTTP server itself, with no request"
    );
    assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.head));
    assert_eq!(flow.read(&LIMITS), Read::Upto(STEP_BYTES));
}

#[test]
fn head_that_never_ends_is_refused() {
    let now = Instant::now();
    let mut flow = Flow::new(now);
    let mut bytes = 0;
    while let Read::Upto(most) = flow.read(&LIMITS) {
        bytes += flow.came(&vec![b'a'; most], now);
    }
    assert_eq!(flow.read(&LIMITS), Read::TooLong);
    assert_eq!(bytes, HEAD_BYTES_MAX);
}

#[test]
fn head_has_its_longest_length_to_the_byte() {
    let now = Instant::now();
    for (length, expected) in [
        (HEAD_BYTES_MAX, Read::Wait),
        (HEAD_BYTES_MAX + 1, Read::TooLong),
    ] {
        let mut flow = Flow::new(now);
        let mut head = vec![b'a'; length];
        head.splice(length - 4.., *b"\r\n\r\n");
        let mut rest = &head[..];
        while let Read::Upto(most) = flow.read(&LIMITS) {
            let (part, later) = rest.split_at(most.min(rest.len()));
            assert_eq!(flow.came(part, now), part.len());
            rest = later;
        }
        assert_eq!(flow.read(&LIMITS), expected, "{length}");
    }
}

#[test]
fn unread_body_is_discarded_and_no_head() {
    let now = Instant::now();
    let mut flow = Flow::new(now);
    flow.came(HEAD, now);
    flow.begin(Body::Left(1_000_000));
    flow.answered();
    assert_eq!(flow.read(&LIMITS), Read::Wait);
    flow.flushed(now);
    for _ in 0..10 {
        assert_eq!(flow.read(&LIMITS), Read::Upto(CHUNK_BYTES));
        flow.came(&[0; CHUNK_BYTES], now);
    }
    assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.head));
    assert!(!flow.is_in_head());
    assert!(!flow.begin(Body::Left(0)), "the answer announced the end");
}
