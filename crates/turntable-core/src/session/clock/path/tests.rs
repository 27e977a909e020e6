use super::super::floor::WINDOW_MS as FLOOR_MS;
use super::*;

const START_MS: f64 = 1.7e12;

/// A path with these round trips, so many ms apart, and the time of the last.
fn path(round_trips: &[f64], apart_ms: f64) -> (Path, f64) {
    let mut path = Path::default();
    let mut now_ms = START_MS;
    for rtt_ms in round_trips {
        now_ms += apart_ms;
        path.add(*rtt_ms, 0.0, None, now_ms);
    }
    (path, now_ms)
}

#[test]
fn path_is_small() {
    assert!(size_of::<Path>() <= 152, "{} bytes", size_of::<Path>());
}

#[test]
fn single_slow_round_trip_of_twenty_hardly_counts() {
    let mut trips = [40.0; 20];
    trips[7] = 400.0;
    let (path, now_ms) = path(&trips, 500.0);
    let worst_ms = path.worst_ms(now_ms).unwrap();
    assert!((40.0..60.0).contains(&worst_ms), "{worst_ms}");
    assert_eq!(path.jitter_ms(), 360.0);
}

#[test]
fn pongs_that_are_late_count_as_what_the_kernel_measured() {
    let trips = [330.0, 340.0, 350.0, 335.0, 345.0];
    // A delayed acknowledgement is in the usual one.
    let bound = Some(KernelTrip {
        least_ms: 30.0,
        usual_ms: 110.0,
        floor_ms: 30.0,
    });
    let worst_ms = |late_ms: f64| {
        let mut path = Path::default();
        for (count, rtt_ms) in (1..).zip(trips) {
            let now_ms = START_MS + 500.0 * f64::from(count);
            path.add(rtt_ms - late_ms, 0.0, bound, now_ms);
        }
        path.worst_ms(START_MS + 2_500.0).unwrap()
    };
    // 30, and the spread of 19 and a bit more.
    assert!((49.0..53.0).contains(&worst_ms(0.0)));
    assert_eq!(worst_ms(300.0), 49.0);
    // A path whose pongs differ more than the kernel's round trips.
    let mut path = Path::default();
    for (count, rtt_ms) in (1..).zip([30.0, 400.0, 400.0]) {
        path.add(rtt_ms, 0.0, bound, START_MS + f64::from(count));
    }
    assert_eq!(path.worst_ms(START_MS + 3.0), Some(110.0));
}

#[test]
fn least_round_trip_of_minutes_gives_way_to_a_path_that_became_slower() {
    // Those of the kernel after a change of the path, and pings twice as often.
    let credit = |floor_ms: f64, seconds: u32| {
        let mut path = Path::default();
        let kernel = |floor_ms| {
            Some(KernelTrip {
                least_ms: 30.0,
                usual_ms: 160.0,
                floor_ms,
            })
        };
        for count in 0..20 {
            path.add(30.0, 0.0, kernel(30.0), START_MS + 500.0 * f64::from(count));
        }
        for count in 20..20 + 2 * seconds {
            let at_ms = START_MS + 500.0 * f64::from(count);
            path.add(140.0, 0.0, kernel(floor_ms), at_ms);
        }
        path.worst_ms(START_MS + 500.0 * f64::from(19 + 2 * seconds))
            .unwrap()
    };
    // Within the last seconds it was as fast as ever.
    assert_eq!(credit(140.0, 4), 140.0, "it counts as jitter");
    assert_eq!(credit(140.0, 11), 30.0);
    assert_eq!(credit(140.0, FLOOR_MS / 1_000 + 1), 140.0);
    // Late acknowledgements explain it.
    assert_eq!(credit(80.0, 60), 30.0);
    assert_eq!(credit(80.5, 60), 140.0);
}

#[test]
fn round_trips_count_for_ten_seconds() {
    let (mut path, now_ms) = path(&[400.0, 400.0, 400.0], 1_000.0);
    path.add(40.0, 0.0, None, now_ms + 9_500.0);
    assert!(path.worst_ms(now_ms + 9_500.0).unwrap() > 300.0);
    path.add(40.0, 0.0, None, now_ms + 10_500.0);
    assert_eq!(path.worst_ms(now_ms + 10_500.0), Some(40.0));
    // A long gap: their short times would look new again.
    path.add(50.0, 0.0, None, now_ms + 70_000.0);
    assert_eq!(path.worst_ms(now_ms + 70_000.0), Some(50.0));
}

#[test]
fn silent_path_is_not_measured_any_more() {
    let (path, now_ms) = path(&[400.0], 1.0);
    assert_eq!(path.worst_ms(now_ms + 29_000.0), Some(400.0));
    assert_eq!(path.worst_ms(now_ms + 31_000.0), None);
}

#[test]
fn first_round_trip_of_another_connection_replaces_all() {
    let (mut path, now_ms) = path(&[400.0, 390.0], 500.0);
    path.moved();
    assert_eq!(path.worst_ms(now_ms), None, "they are of another path");
    assert_eq!(path.add(20.0, 390.0, None, now_ms + 1.0), Verdict::Other);
    assert_eq!(path.worst_ms(now_ms + 1.0), Some(20.0));
}

#[test]
fn slower_path_is_noticed() {
    let mut path = Path::default();
    let mut now_ms = START_MS;
    let mut verdicts = Vec::new();
    for rtt_ms in [
        100.0, 104.0, 99.0, 110.0, 101.0, 100.0, 102.0, 108.0, 103.0, 105.0,
    ] {
        now_ms += 500.0;
        verdicts.push(path.add(rtt_ms, 40.0, None, now_ms));
    }
    assert_eq!(verdicts.pop(), Some(Verdict::Slower(99.0)));
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Same));
}

#[test]
fn stalled_connection_is_no_jump() {
    let (mut path, now_ms) = path(&[40.0], 1.0);
    // A stall of three seconds, whose messages come together.
    assert!(!path.is_jump(3_000.0, 0.0, now_ms));
    assert!(!path.is_jump(2_900.0, 0.0, now_ms + 1.0));
    assert!(!path.is_jump(20.0, 0.0, now_ms + 2.0));
    // A clock that stood still for three seconds.
    assert!(!path.is_jump(3_020.0, 0.0, now_ms + 1_000.0));
    assert!(path.is_jump(3_030.0, 0.0, now_ms + 1_100.0));
}
