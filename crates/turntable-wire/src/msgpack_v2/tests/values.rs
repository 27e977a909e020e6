//! Each type of value, both ways.

use super::*;

/// JSON as the server writes it, and its form in MessagePack.
const PAIRS: &[(&str, &str)] = &[
    ("null", "c0"),
    ("true", "c3"),
    ("false", "c2"),
    ("0", "00"),
    ("127", "7f"),
    ("128", "cc80"),
    ("255", "ccff"),
    ("256", "cd0100"),
    ("65536", "ce00010000"),
    ("4294967296", "cf0000000100000000"),
    ("18446744073709551615", "cfffffffffffffffff"),
    ("-1", "ff"),
    ("-32", "e0"),
    ("-33", "d0df"),
    ("-129", "d1ff7f"),
    ("-32769", "d2ffff7fff"),
    ("-2147483649", "d3ffffffff7fffffff"),
    ("-9223372036854775808", "d38000000000000000"),
    ("1.0", "cb3ff0000000000000"),
    ("-0.0", "cb8000000000000000"),
    ("0.1", "cb3fb999999999999a"),
    ("1e+300", "cb7e37e43c8800759c"),
    ("5e-324", "cb0000000000000001"),
    ("1.7976931348623157e+308", "cb7fefffffffffffff"),
    ("\"\"", "a0"),
    ("\"ü\"", "a2c3bc"),
    (r#""\"\\\n\u0001""#, "a4225c0a01"),
    ("[]", "90"),
    ("{}", "80"),
    ("[[],{}]", "929080"),
    (r#"{"a":1,"b":[2]}"#, "82a16101a1629102"),
    // A duplicate key is allowed, as in JSON.
    (r#"{"a":1,"a":2}"#, "82a16101a16102"),
    // Binary and extensions.
    (r#"{"$bin":""}"#, "c400"),
    (r#"{"$bin":"AP8="}"#, "c40200ff"),
    (r#"{"$ext":[5,""]}"#, "c70005"),
    (r#"{"$ext":[-1,"AAAAAA=="]}"#, "d6ff00000000"),
    (r#"{"$ext":[-128,"AAAA"]}"#, "c70380000000"),
    // Numbers that fit neither 64 bits nor a double.
    (
        "18446744073709551616",
        "81a4246e756db4 3138343436373434303733373039353531363136",
    ),
    (
        "-9223372036854775809",
        "81a4246e756db4 2d39323233333732303336383534373735383039",
    ),
    (
        "0.10000000000000001",
        "81a4246e756db3 302e3130303030303030303030303030303031",
    ),
    // Exactly between two decimals of 17 digits, the double is the even one.
    ("1725658363133998.2", "cb431885e896f400b9"),
    (
        "1725658363133998.3",
        "81a4246e756db2 313732353635383336333133333939382e33",
    ),
    ("1e999", "81a4246e756da5 3165393939"),
    ("1e-999", "81a4246e756da6 31652d393939"),
    (
        "1e99999999999999999999",
        "81a4246e756db6 31653939393939393939393939393939393939393939",
    ),
    // Objects that resemble binary.
    (r#"{"$bin":"AP8"}"#, "81a42462696ea3415038"),
    (r#"{"$bin":"AP9="}"#, "81a42462696ea44150393d"),
    (r#"{"$bin":"A-_="}"#, "81a42462696ea4412d5f3d"),
    (r#"{"$bin":1}"#, "81a42462696e01"),
    (r#"{"$bin":"","a":1}"#, "82a42462696ea0a16101"),
    (r#"{"a":1,"$bin":""}"#, "82a16101a42462696ea0"),
    (r#"{"$ext":[128,""]}"#, "81a42465787492cc80a0"),
    (r#"{"$ext":[1.0,""]}"#, "81a42465787492cb3ff0000000000000a0"),
    (r#"{"$ext":[5]}"#, "81a4246578749105"),
    (r#"{"$ext":["",5]}"#, "81a42465787492a005"),
    // No extension is a number.
    (r#"{"$ext":[1,"AA=="]}"#, "d40100"),
    (r#"{"$ext":[1,"MTI="]}"#, "d5013132"),
    // Digits of numbers that have another form, or of none, stay an object.
    (r#"{"$num":"12"}"#, "81a4246e756da23132"),
    (r#"{"$num":"1.5"}"#, "81a4246e756da3312e35"),
    (r#"{"$num":"1e999x"}"#, "81a4246e756da6316539393978"),
    (r#"{"$num":5}"#, "81a4246e756d05"),
    (
        r#"{"$num":"1e999","a":1}"#,
        "82a4246e756da53165393939a16101",
    ),
];

#[test]
fn values_cross_both_ways() {
    for (json, bytes) in PAIRS {
        assert_eq!(packed(json), hex(bytes), "{json}");
        assert_eq!(unpacked(&hex(bytes)), *json);
    }
}

#[test]
fn json_of_any_spelling_is_accepted() {
    let rows = [
        (" [ 1 ,\t2\r\n] ", "[1,2]"),
        (r#" { "a" : { } , "b" : [ ] } "#, r#"{"a":{},"b":[]}"#),
        ("-0", "-0.0"),
        ("1e2", "100.0"),
        ("1.50", "1.5"),
        ("0.5E+1", "5.0"),
        ("0e99999999999999999999", "0.0"),
        ("100000000000000000000", "1e+20"),
        ("1000000000000000000000000e-2", "1e+22"),
        (r#""\u00fc\/\b\f\r\t\ud83d\ude00""#, r#""ü/\b\f\r\t😀""#),
        (r#"{"\u0061":"\u0000"}"#, r#"{"a":"\u0000"}"#),
        // A lone surrogate is not text.
        (r#""\ud800""#, "\"\u{fffd}\""),
        (
            r#""\ud800\ud800\u0041\udc00x""#,
            "\"\u{fffd}\u{fffd}A\u{fffd}x\"",
        ),
        (r#""\ud83d\n""#, "\"\u{fffd}\\n\""),
        // PHP escapes the slash of base64.
        (r#"{ "$bin" : "\/\/8=" }"#, r#"{"$bin":"//8="}"#),
        (r#"{ "$ext" : [ 7 , "AA==" ] }"#, r#"{"$ext":[7,"AA=="]}"#),
        (r#"{"$ext":[-0,"AA=="]}"#, r#"{"$ext":[-0.0,"AA=="]}"#),
    ];
    for (json, expected) in rows {
        let bytes = packed(json);
        assert_eq!(unpacked(&bytes), expected, "{json}");
        assert_eq!(packed(expected), bytes, "{json}");
    }
    assert_eq!(packed(r#"{ "$bin" : "\/\/8=" }"#), hex("c402ffff"));
}

#[test]
fn reserved_keys_are_recognised_whatever_their_escapes() {
    for key in [
        r"\u0024bin",
        r"$b\u0069n",
        r"\u0024\u0062\u0069\u006E",
        r"$bi\u006e",
    ] {
        let json = format!(r#"{{"{key}":"A\u0050\u0038="}}"#);
        assert_eq!(packed(&json), hex("c40200ff"), "{json}");
    }
    let json = r#"[{"\u0024ext":[5,"AA\u003d="]}]"#;
    assert_eq!(packed(json), hex("91d40500"));
    // An object of version 1 may be the number, too.
    assert_eq!(unpacked(&packed(r#"{"$n\u0075m":"1e999"}"#)), "1e999");
    // Keys that only begin like one.
    for (json, bytes) in [
        (r#"{"\u0024":1}"#, "81a12401"),
        (r#"{"\\u0024bin":""}"#, "81a95c753030323462696ea0"),
        (r#"{"\u0061":{"$bi":0}}"#, "81a16181a324626900"),
    ] {
        assert_eq!(packed(json), hex(bytes), "{json}");
    }
}

#[test]
fn invalid_json_is_refused_with_its_offset() {
    let rows = [
        ("", 0),
        (" ", 1),
        ("nul", 0),
        ("nullx", 4),
        ("[", 1),
        ("[1", 2),
        ("[1,]", 3),
        ("[1 2]", 3),
        ("[1}", 2),
        ("{1:2}", 1),
        (r#"{"a"}"#, 4),
        (r#"{"a":1,}"#, 7),
        (r#"{"a":}"#, 5),
        ("1 2", 2),
        ("01", 1),
        ("-", 0),
        ("1.", 0),
        ("1e+", 0),
        ("+1", 0),
        (".5", 0),
        ("NaN", 0),
        ("\"", 1),
        ("\"\n\"", 1),
        (r#""\x""#, 1),
        (r#""\u12g4""#, 1),
        (r#""\u+123""#, 1),
        (r#""\ud800\u12""#, 1),
    ];
    for (json, at) in rows {
        let mut out = b"left".to_vec();
        assert_eq!(from_json(json, &mut out), Err(NotJson { at }), "{json}");
        assert_eq!(out, b"left");
    }
}

#[test]
fn longer_forms_than_needed_are_accepted() {
    let rows = [
        ("cc05", "5"),
        ("cf0000000000000005", "5"),
        ("d005", "5"),
        ("d300000000000000ff", "255"),
        ("d3ffffffffffffffff", "-1"),
        ("ca3f800000", "1.0"),
        ("ca80000000", "-0.0"),
        ("ca3dcccccd", "0.10000000149011612"),
        ("ca7f7fffff", "3.4028234663852886e+38"),
        ("d90161", "\"a\""),
        ("db0000000161", "\"a\""),
        ("dc000101", "[1]"),
        ("dd0000000101", "[1]"),
        ("de0001a16101", r#"{"a":1}"#),
        ("df00000001d9016101", r#"{"a":1}"#),
        ("c5000100", r#"{"$bin":"AA=="}"#),
        ("c60000000100", r#"{"$bin":"AA=="}"#),
        ("c7010500", r#"{"$ext":[5,"AA=="]}"#),
        ("c800010500", r#"{"$ext":[5,"AA=="]}"#),
        ("c9000000010500", r#"{"$ext":[5,"AA=="]}"#),
        ("d5050000", r#"{"$ext":[5,"AAA="]}"#),
        ("d7050000000000000000", r#"{"$ext":[5,"AAAAAAAAAAA="]}"#),
        ("81d9042a6e756dd9053165393939", r#"{"*num":"1e999"}"#),
        ("de0001d904246e756dd9053165393939", "1e999"),
    ];
    for (bytes, json) in rows {
        assert_eq!(unpacked(&hex(bytes)), json);
    }
}

#[test]
fn a_float_of_32_bits_is_the_same_as_a_double() {
    for value in [0.1f32, f32::MIN_POSITIVE, f32::MAX, 1e-45, -16_777_216.0] {
        let mut bytes = vec![0xca];
        bytes.extend(value.to_be_bytes());
        let json = unpacked(&bytes);
        assert_eq!(json.parse::<f64>().unwrap(), f64::from(value));
        assert_eq!(packed(&json)[0], 0xcb, "{json}");
    }
}

#[test]
fn containers_get_the_head_they_need() {
    let list = |count: usize| format!("[{}]", vec!["7"; count].join(","));
    for (count, head) in [
        (15, "9f"),
        (16, "dc0010"),
        (65_535, "dcffff"),
        (65_536, "dd00010000"),
    ] {
        let bytes = packed(&list(count));
        let expected = [hex(head), vec![7; count]].concat();
        assert!(bytes == expected, "{count}");
        assert!(unpacked(&bytes) == list(count), "{count}");
    }
    let object = |count: usize| {
        let entries: Vec<String> = (0..count).map(|key| format!(r#""{key}":{key}"#)).collect();
        format!("{{{}}}", entries.join(","))
    };
    for (count, head) in [(15, "8f"), (16, "de0010"), (65_536, "df00010000")] {
        let bytes = packed(&object(count));
        assert!(bytes.starts_with(&hex(head)), "{count}");
        assert!(unpacked(&bytes) == object(count), "{count}");
    }
    // Containers with wide heads inside and next to each other.
    let inner = format!("[{},{},{}]", list(20), object(16), list(3));
    let outer = format!("[{}]", vec![inner.as_str(); 17].join(","));
    assert_eq!(unpacked(&packed(&outer)), outer);
}

#[test]
fn long_strings_and_binary_cross() {
    for len in [31, 32, 255, 256, 65_535, 65_536] {
        let json = format!("\"{}\"", "x".repeat(len));
        assert!(unpacked(&packed(&json)) == json, "{len}");
        let mut bytes = Vec::new();
        let _ = rmp::encode::write_bin(&mut bytes, &vec![0xfe; len]);
        assert!(packed(&unpacked(&bytes)) == bytes, "{len}");
    }
}
