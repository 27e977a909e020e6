//! `cargo xtask deb`: a Debian package of the server, made without tools of Debian.
//!
//! A package is an `ar` archive of three members: its version, what dpkg has to know
//! (`control.tar.gz`) and the files (`data.tar.gz`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::process;

#[derive(Parser)]
pub(crate) struct Args {
    /// A binary that is built already; without one a release build is made
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the package is written
    #[arg(long, value_name = "DIR", default_value = "target/debian")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let package = package(Path::new("."), &binary, &args.out, Packing::Small)?;
    let bytes = fs::metadata(&package)?.len();
    println!("{}: {} kB", package.display(), bytes / 1_000);
    Ok(())
}

/// What is done with the files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    /// They are compressed.
    Small,
    /// They are as they are, for a test of a build that compresses slowly.
    #[cfg_attr(not(test), expect(dead_code))]
    Quick,
}

/// The binary of a package may have so many bytes.
const BINARY_BYTES_MAX: u64 = 25_000_000;

/// A build for packages, without symbols.
fn build() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--profile", "dist", "--locked", "-p", "turntable"]);
    process::checked(cargo.args(["--bin", "turntable"]))?;
    let binary = PathBuf::from("target/dist/turntable");
    let bytes = fs::metadata(&binary)?.len();
    if bytes > BINARY_BYTES_MAX {
        bail!(
            "{} has {bytes} bytes, more than {BINARY_BYTES_MAX}",
            binary.display()
        );
    }
    Ok(binary)
}

/// Writes the package of this binary; `root` is the repository. Returns its path.
///
/// # Errors
/// If a file cannot be read or written, or the binary does not run.
fn package(root: &Path, binary: &Path, out: &Path, packing: Packing) -> Result<PathBuf> {
    let version = env!("CARGO_PKG_VERSION");
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("Debian's name of the architecture {other} is not known"),
    };
    fs::create_dir_all(out)?;
    let mut data = Archive::new();
    let bytes = add_files(&mut data, root, binary, out)?;
    let debian = root.join("packaging/debian");
    let mut control = Archive::new();
    let fields = format!(
        "Package: turntable\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: the authors of turntable <turntable@localhost>\n\
         Installed-Size: {}\nDepends: {}, libgcc-s1, systemd | adduser\nSection: net\n\
         Priority: optional\nDescription: presence, game rooms and channels for browsers\n \
         An actor-based game and presence server, with a client library for browsers.\n",
        bytes.div_ceil(1_024),
        libc(&read(binary)?)
    );
    control.add("control", fields.as_bytes(), 0o644)?;
    control.add("conffiles", b"/etc/turntable/config.toml\n", 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        control.add(script, &read(&debian.join(script))?, 0o755)?;
    }
    let path = out.join(format!("turntable_{version}_{architecture}.deb"));
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", gzip(&control.finish()?)?),
        match packing {
            Packing::Small => ("data.tar.gz", gzip(&data.finish()?)?),
            Packing::Quick => ("data.tar", data.finish()?),
        },
    ];
    fs::write(&path, ar(&members))?;
    Ok(path)
}

/// The dependency on the C library: the newest version of which the binary needs a symbol.
fn libc(binary: &[u8]) -> String {
    let version = |name: &[u8]| -> Option<Vec<u32>> {
        let text = std::str::from_utf8(name.strip_prefix(b"GLIBC_")?).ok()?;
        text.split('.').map(|part| part.parse().ok()).collect()
    };
    let names = binary.split(|byte| *byte == 0);
    match names.filter_map(version).max() {
        None => "libc6".to_owned(),
        Some(newest) => {
            let parts: Vec<String> = newest.iter().map(u32::to_string).collect();
            format!("libc6 (>= {})", parts.join("."))
        }
    }
}

/// Adds all that is installed. Returns its size in bytes.
fn add_files(data: &mut Archive, root: &Path, binary: &Path, out: &Path) -> Result<usize> {
    let mut bytes = 0;
    let mut add = |to: &str, content: &[u8], mode| {
        bytes += content.len();
        data.add(to, content, mode)
    };
    add("usr/bin/turntable", &read(binary)?, 0o755)?;
    let doc = "usr/share/doc/turntable";
    for (from, to) in [
        (
            "packaging/debian/config.toml",
            "etc/turntable/config.toml".to_owned(),
        ),
        (
            "packaging/systemd/turntable.service",
            "usr/lib/systemd/system/turntable.service".to_owned(),
        ),
        (
            "packaging/systemd/turntable.socket",
            "usr/lib/systemd/system/turntable.socket".to_owned(),
        ),
        (
            "packaging/debian/turntable.sysusers",
            "usr/lib/sysusers.d/turntable.conf".to_owned(),
        ),
        ("packaging/debian/copyright", format!("{doc}/copyright")),
        ("LICENSE-MIT", format!("{doc}/LICENSE-MIT")),
        ("LICENSE-APACHE", format!("{doc}/LICENSE-APACHE")),
        ("config.toml", format!("{doc}/config.toml")),
    ] {
        add(&to, &read(&root.join(from))?, 0o644)?;
    }
    for example in sorted(&root.join("examples/config"))? {
        let name = name(&example)?;
        add(&format!("{doc}/examples/{name}"), &read(&example)?, 0o644)?;
    }
    let changes = read(&root.join("CHANGELOG.md"))?;
    add(&format!("{doc}/changelog.gz"), &gzip(&changes)?, 0o644)?;
    let pages = out.join("man");
    if pages.exists() {
        // Those of a version before may have other names.
        fs::remove_dir_all(&pages)?;
    }
    ask(binary, &["man", "--out", &pages.to_string_lossy()])?;
    for page in sorted(&pages)? {
        let name = name(&page)?;
        add(
            &format!("usr/share/man/man1/{name}.gz"),
            &gzip(&read(&page)?)?,
            0o644,
        )?;
    }
    for (shell, to) in [
        ("bash", "usr/share/bash-completion/completions/turntable"),
        ("zsh", "usr/share/zsh/vendor-completions/_turntable"),
        ("fish", "usr/share/fish/vendor_completions.d/turntable.fish"),
    ] {
        add(to, &ask(binary, &["completions", shell])?, 0o644)?;
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.context("a file without a name")?.to_owned())
}

fn sorted(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    files.collect()
}

/// What the program writes to standard output.
fn ask(binary: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(binary).args(arguments).output()?;
    if !output.status.success() {
        bail!(
            "turntable {arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output.stdout)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut encoder, bytes)?;
    Ok(encoder.finish()?)
}

/// An archive of files that belong to root.
struct Archive {
    tar: tar::Builder<Vec<u8>>,
    folders: BTreeSet<PathBuf>,
}

impl Archive {
    fn new() -> Self {
        Self {
            tar: tar::Builder::new(Vec::new()),
            folders: BTreeSet::new(),
        }
    }

    /// Adds a file, and the folders above it before.
    fn add(&mut self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        let above: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
        for folder in above.into_iter().rev() {
            if self.folders.insert(folder.to_owned()) {
                let name = Path::new(".").join(folder).join("");
                let header = header(&name, tar::EntryType::Directory, 0, 0o755)?;
                self.tar.append(&header, std::io::empty())?;
            }
        }
        let name = Path::new(".").join(path);
        let header = header(&name, tar::EntryType::Regular, content.len(), mode)?;
        self.tar.append(&header, content)?;
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>> {
        Ok(self.tar.into_inner()?)
    }
}

fn header(name: &Path, kind: tar::EntryType, bytes: usize, mode: u32) -> Result<tar::Header> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    // The crate removes the dot at the beginning, which dpkg's own archives have.
    let name = name.to_string_lossy();
    let place = header.as_old_mut().name.get_mut(..name.len());
    let place = place.with_context(|| format!("the name {name} is too long"))?;
    place.copy_from_slice(name.as_bytes());
    header.set_cksum();
    Ok(header)
}

/// An `ar` archive: 60 bytes before each member, which begins at an even position.
fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let (time, owner, group, mode) = (0, 0, 0, "100644");
        let size = content.len();
        let head = format!("{name:<16}{time:<12}{owner:<6}{group:<6}{mode:<8}{size:<10}`\n");
        archive.extend_from_slice(head.as_bytes());
        archive.extend_from_slice(content);
        if size % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Stdio;

    use super::*;

    fn skipped(why: &str) {
        eprintln!("SKIPPED, THE DEBIAN PACKAGE WAS NOT TESTED: {why}");
    }

    fn output(command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Small enough to be packed quickly.
    fn without_symbols(binary: &Path, to: &Path) {
        let stripped = Command::new("strip").arg("-o").arg(to).arg(binary).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(binary, to).unwrap();
        }
    }

    /// Runs the script behind the installation in the folder `root`, with programs that do nothing in
    /// place of the system's; systemd does not start the server.
    fn configure(script: &Path, root: &Path) {
        let programs = root.join("programs");
        fs::create_dir_all(&programs).unwrap();
        fs::create_dir_all(root.join("run/systemd/system")).unwrap();
        for (name, does) in [
            ("systemd-sysusers", "exit 0"),
            ("chgrp", "exit 0"),
            ("systemctl", "[ \"$1\" != try-restart ]"),
        ] {
            let program = programs.join(name);
            fs::write(&program, format!("#!/bin/sh\n{does}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", programs.display());
        let mut command = Command::new("sh");
        command.arg(script).arg("configure");
        output(command.env("PATH", path).env("DPKG_ROOT", root));
    }

    #[test]
    fn library_is_as_new_as_its_newest_symbol() {
        let text = b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_PRIVATE\0GLIBC_2.2.5\0";
        assert_eq!(libc(text), "libc6 (>= 2.34)");
        assert_eq!(libc(b"static"), "libc6");
    }

    #[test]
    fn package_is_unpacked_by_dpkg_and_its_server_starts() {
        let built = std::env::current_exe().unwrap();
        let built = built.ancestors().nth(2).unwrap().join("turntable");
        if !built.exists() {
            return skipped("target/debug/turntable is not built");
        }
        if Command::new("dpkg-deb").arg("--version").output().is_err() {
            return skipped("there is no dpkg-deb");
        }
        let folder = std::env::temp_dir().join(format!("turntable-deb-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let binary = folder.join("turntable");
        without_symbols(&built, &binary);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let old = folder.join("out/man/turntable-old.1");
        fs::create_dir_all(old.parent().unwrap()).unwrap();
        fs::write(&old, "").unwrap();
        let package = package(root, &binary, &folder.join("out"), Packing::Quick).unwrap();
        let dpkg = || Command::new("dpkg-deb");
        let fields = output(dpkg().arg("--field").arg(&package));
        assert!(fields.contains("Package: turntable\n"), "{fields}");
        assert!(fields.contains("Depends: libc6 (>= 2."), "{fields}");
        let list = output(dpkg().arg("--contents").arg(&package));
        for file in [
            "-rwxr-xr-x root/root",
            "./usr/bin/turntable\n",
            "./usr/lib/systemd/system/turntable.service\n",
            "./usr/lib/systemd/system/turntable.socket\n",
            "./usr/share/man/man1/turntable.1.gz\n",
            "./usr/share/man/man1/turntable-serve.1.gz\n",
            "./usr/share/bash-completion/completions/turntable\n",
            "./usr/share/doc/turntable/copyright\n",
            "./usr/share/doc/turntable/changelog.gz\n",
        ] {
            assert!(list.contains(file), "{file}: {list}");
        }
        let control = folder.join("control");
        output(dpkg().arg("--control").arg(&package).arg(&control));
        assert!(!list.contains("turntable-old"), "{list}");
        let conffiles = fs::read_to_string(control.join("conffiles")).unwrap();
        let installed = folder.join("root");
        output(dpkg().arg("--extract").arg(&package).arg(&installed));
        let config = installed.join(conffiles.trim().trim_start_matches('/'));
        for script in ["postinst", "prerm", "postrm"] {
            output(Command::new("sh").arg("-n").arg(control.join(script)));
        }
        configure(&control.join("postinst"), &installed);
        let mode = fs::metadata(&config).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        // Its administrator has removed it.
        configure(&control.join("postinst"), &folder.join("empty"));
        let program = installed.join("usr/bin/turntable");
        output(Command::new(&program).arg("check").arg(&config));
        let mut server = Command::new(&program)
            .args(["serve", "--config"])
            .arg(&config)
            .env("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0")
            .env("TURNTABLE_MANAGEMENT__LISTEN", "127.0.0.1:0")
            .env("TURNTABLE_STORE__PATH", folder.join("store.redb"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let read = BufReader::new(server.stdout.take().unwrap()).read_line(&mut line);
        let _ = server.kill();
        let _ = server.wait();
        let _ = fs::remove_dir_all(&folder);
        assert!(
            read.is_ok() && line.starts_with("listening server http://"),
            "{line}"
        );
    }

    #[test]
    fn archive_members_begin_at_even_positions() {
        let archive = ar(&[("a", b"x".to_vec()), ("b", b"yz".to_vec())]);
        let length = 8 + 60 + 2 + 60 + 2;
        assert_eq!(archive.len(), length);
        assert_eq!(archive.get(70..71), Some(b"b".as_slice()));
    }
}
