use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// Writes a certificate, valid in these years, and its key.
fn write(folder: &Path, name: &str, years: (i32, i32)) -> TlsSettings {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let path = |kind: &str| folder.join(format!("{name}.{kind}"));
    fs::write(path("pem"), certificate.pem()).unwrap();
    fs::write(path("key"), key.serialize_pem()).unwrap();
    TlsSettings {
        certificate: path("pem").to_str().unwrap().to_owned(),
        key: path("key").to_str().unwrap().to_owned(),
    }
}

#[test]
fn certificate_is_read_with_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let settings = write(folder.path(), "own", (2020, 2030));
    let read = |settings: &TlsSettings| Certificate::read(settings).unwrap();
    let certificate = read(&settings).unwrap();
    // 2020-01-01 and 2030-01-01.
    assert_eq!(certificate.valid_s, (1_577_836_800, 1_893_456_000));
    assert_eq!(certificate.warning(1_893_455_999), None);
    let expired = certificate.warning(1_893_456_000 + 2 * DAY_S).unwrap();
    assert_eq!(expired, "expired 2 days ago");
    let early = certificate.warning(1_577_836_800 - DAY_S).unwrap();
    assert_eq!(early, "is valid in 1 days");
    assert!(certificate.is(&read(&settings).unwrap()));
    let other = write(folder.path(), "other", (2020, 2030));
    assert!(!certificate.is(&read(&other).unwrap()));
    assert!(read(&TlsSettings::default()).is_none());
    let warned = warnings(&[("server.tls", &settings)], 1_893_456_000);
    assert!(
        warned[0].starts_with("server.tls.certificate: "),
        "{warned:?}"
    );
}

#[test]
fn what_is_wrong_with_the_files_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let own = write(folder.path(), "own", (2020, 2030));
    let other = write(folder.path(), "other", (2020, 2030));
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    for (certificate, key, expected) in [
        (
            "/no/such",
            own.key.as_str(),
            "tls.certificate: /no/such: No such file",
        ),
        (
            &own.certificate,
            "/no/such",
            "tls.key: /no/such: No such file",
        ),
        (empty, &own.key, "empty: it has no certificate in PEM"),
        (
            &own.certificate,
            empty,
            "empty: it has no private key in PEM",
        ),
        (&own.key, &own.key, "it has no certificate in PEM"),
        (
            &own.certificate,
            &other.key,
            "it is not the key of the certificate in ",
        ),
    ] {
        let settings = TlsSettings {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let found = problems(&[("tls", &settings)]);
        assert!(found[0].contains(expected), "{found:?}, not {expected}");
    }
    assert_eq!(problems(&[("tls", &own)]), [""; 0]);
}

#[test]
fn file_that_is_longer_than_its_length_is_not_read_to_its_end() {
    // Files of the system have the length 0, whatever is in them.
    const LONG: &str = "/proc/kallsyms";
    if !fs::read(LONG).is_ok_and(|bytes| bytes.len() > 4 * 1024 * 1024) {
        return;
    }
    let settings = TlsSettings {
        certificate: LONG.to_owned(),
        key: LONG.to_owned(),
    };
    let error = Certificate::read(&settings).unwrap_err();
    assert!(error.to_string().contains("it has more than 4194304 bytes"));
}

/// A certificate of X.509 version 1, as `openssl x509 -req -signkey` makes it.
const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBIzCBywIUCuyQ8W3CIEZAgwLzbuhplXiEnQ0wCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTIwMTAzNTQzNloYDzIxMjYxMTA3MDM1NDM2
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAQFfNFu3X56aPkFSgOdMeTmfvmI4eqGwqRuSvETnE6IDHVmoyvaji0QL6jXxeSY
qz42UP8Vu1ZNe1ZrUEorhMnxMAoGCCqGSM49BAMCA0cAMEQCIG97Mh2lAVR7Xrjd
RUXDdz68Q/cseuCcACnbJ3RouftoAiAuMSoLcKXuAUJN+77CRdwPcMZExhS2suXn
bWY5Gt/eGw==
-----END CERTIFICATE-----
";

#[test]
fn certificate_of_an_old_version_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let mut own = write(folder.path(), "own", (2020, 2030));
    let old = folder.path().join("old.pem");
    fs::write(&old, VERSION_1).unwrap();
    own.certificate = old.to_str().unwrap().to_owned();
    let found = problems(&[("tls", &own)]);
    assert!(found[0].starts_with("tls.certificate: "), "{found:?}");
    assert!(found[0].contains("old version of X.509"), "{found:?}");
}

#[test]
fn encrypted_key_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let own = write(folder.path(), "own", (2020, 2030));
    let plain = fs::read_to_string(&own.key).unwrap();
    let body = plain.lines().nth(1).unwrap();
    let (pkcs8, before) = ("ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY");
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,FFEC18D9AAED679E\n\n";
    for (label, headers) in [(pkcs8, ""), (before, headers)] {
        let pem = format!("-----BEGIN {label}-----\n{headers}{body}\n-----END {label}-----\n");
        fs::write(&own.key, pem).unwrap();
        let found = problems(&[("tls", &own)]);
        assert!(found[0].starts_with("tls.key: "), "{found:?}");
        assert!(found[0].contains("it is encrypted"), "{found:?}");
    }
    // One that is not beside it is used.
    let both = format!(
        "{}{plain}",
        fs::read_to_string(&own.key).unwrap().replace(before, pkcs8)
    );
    fs::write(&own.key, both.replace(headers, "")).unwrap();
    assert_eq!(problems(&[("tls", &own)]), [""; 0]);
}
