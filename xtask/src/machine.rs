//! The tools of this machine: cargo, Node, Chromium, nginx, PHP.
//!
//! Missing tools are installed if no confirmation is needed (root on Debian, npm packages
//! by the lock file). Otherwise the error describes the installation; no tool is skipped
//! silently.

use std::cell::Cell;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// The oldest Node that playwright-core supports.
const NODE_MAJOR_MIN: u32 = 20;

/// The names of Chromium on different systems.
const CHROMIUM_NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// The checkout and the tools.
pub(crate) struct Machine {
    /// The root of the workspace.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
    apt_updated: Cell<bool>,
}

impl Machine {
    /// Detects the workspace that this xtask was built from.
    ///
    /// # Errors
    /// If `cargo metadata` fails.
    pub(crate) fn look() -> Result<Self> {
        let manifest = process::output(Command::new(cargo()).args([
            "locate-project",
            "--workspace",
            "--message-format=plain",
        ]))?;
        let root = Path::new(manifest.trim())
            .parent()
            .context("the workspace's Cargo.toml has no folder")?
            .to_owned();
        let metadata = process::output(
            Command::new(cargo())
                .args(["metadata", "--no-deps", "--format-version=1", "--locked"])
                .current_dir(&root),
        )?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
        let target = metadata
            .get("target_directory")
            .and_then(|folder| folder.as_str())
            .context("cargo metadata names no target_directory")?;
        Ok(Self {
            target: target.into(),
            root,
            apt_updated: Cell::new(false),
        })
    }

    /// A command in the root of the workspace.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// `cargo SUBCOMMAND` with the committed lock file.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = self.command(cargo());
        command.args([subcommand, "--locked"]);
        command
    }

    /// The server's binary, as built by the dev profile.
    pub(crate) fn server(&self) -> PathBuf {
        self.target
            .join("debug")
            .join(format!("turntable{}", env::consts::EXE_SUFFIX))
    }

    /// Whether `cargo NAME` is installed.
    pub(crate) fn has_cargo_tool(&self, name: &str) -> bool {
        find(&format!("cargo-{name}")).is_some()
            || env::var_os("CARGO_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
                .is_some_and(|home| home.join("bin").join(format!("cargo-{name}")).is_file())
    }

    /// Ensures Node, and `node_modules` according to package-lock.json.
    ///
    /// # Errors
    /// If Node is missing, too old and cannot be installed by apt, or `npm ci` fails.
    pub(crate) fn ensure_node_modules(&self) -> Result<()> {
        if find("node").is_none() || find("npm").is_none() {
            let advice = format!(
                "install Node {NODE_MAJOR_MIN} or newer with npm (https://nodejs.org/en/download)"
            );
            self.apt_install(&["nodejs", "npm"], &advice)?;
        }
        let version = process::output(Command::new("node").arg("--version"))?;
        let version = version.trim();
        let major = version.trim_start_matches('v').split('.').next();
        if !major.is_some_and(|major| {
            major
                .parse()
                .is_ok_and(|major: u32| major >= NODE_MAJOR_MIN)
        }) {
            bail!(
                "node is {version}, but {NODE_MAJOR_MIN} or newer is required: \
                 install it from https://nodejs.org/en/download"
            );
        }
        println!("    node {version}");
        let lock = self.root.join("package-lock.json");
        let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
        let locked = modified(&lock).context("package-lock.json cannot be read")?;
        // npm writes this file last, so a failed installation does not contain it.
        let installed = self.root.join("node_modules/.package-lock.json");
        if modified(&installed).is_ok_and(|installed| installed >= locked) {
            println!("    node_modules is as new as package-lock.json");
            return Ok(());
        }
        process::checked(self.command("npm").args(["ci", "--no-audit", "--no-fund"]))
    }

    /// Finds Chromium, or installs it.
    ///
    /// # Errors
    /// If there is none and apt cannot install it.
    pub(crate) fn ensure_chromium(&self) -> Result<PathBuf> {
        if let Some(given) = env::var_os("CHROMIUM").map(PathBuf::from) {
            if !given.is_file() {
                bail!("CHROMIUM={} is not a file", given.display());
            }
            return Ok(given);
        }
        let look = || CHROMIUM_NAMES.iter().find_map(|name| find(name));
        if let Some(found) = look() {
            return Ok(found);
        }
        self.apt_install(
            &["chromium"],
            "install Chromium or Chrome, or name one with CHROMIUM=PATH",
        )?;
        look().context("apt-get installed the package chromium, but no program of that name")
    }

    /// Finds nginx and openssl, or installs them; returns nginx.
    ///
    /// # Errors
    /// If one is missing and apt cannot install it.
    pub(crate) fn ensure_nginx(&self) -> Result<PathBuf> {
        if find("openssl").is_none() {
            self.apt_install(&["openssl"], "install OpenSSL's command line tool")?;
        }
        if let Some(given) = env::var_os("NGINX").map(PathBuf::from) {
            if !given.is_file() {
                bail!("NGINX={} is not a file", given.display());
            }
            return Ok(given);
        }
        // Debian has it where only root's PATH leads.
        let look = || {
            let usual = PathBuf::from("/usr/sbin/nginx");
            find("nginx").or_else(|| usual.is_file().then_some(usual))
        };
        if let Some(found) = look() {
            return Ok(found);
        }
        self.apt_install(
            &["nginx-light"],
            "install nginx, or name one with NGINX=PATH",
        )?;
        look().context("apt-get installed the package nginx-light, but no program nginx")
    }

    /// Finds PHP's command line program, or installs it. Tests find it by the PATH.
    ///
    /// # Errors
    /// If there is none and apt cannot install it.
    pub(crate) fn ensure_php(&self) -> Result<PathBuf> {
        if let Some(found) = find("php") {
            return Ok(found);
        }
        self.apt_install(&["php-cli"], "install PHP 7.4 or newer")?;
        find("php").context("apt-get installed the package php-cli, but no program php")
    }

    /// Installs Debian packages; `advice` describes the installation on other systems.
    ///
    /// # Errors
    /// If this is not Debian, the user is not root, or apt fails.
    pub(crate) fn apt_install(&self, packages: &[&str], advice: &str) -> Result<()> {
        let names = packages.join(" and ");
        if !Path::new("/etc/debian_version").is_file() || find("apt-get").is_none() {
            bail!("{names} not found, and this is no Debian: {advice}");
        }
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        if !is_root {
            bail!(
                "{names} not found, and this user is not root: \
                 run `sudo apt-get install {}`, or {advice}",
                packages.join(" ")
            );
        }
        println!("    {names} not found: installing with apt-get");
        let apt = || {
            let mut command = self.command("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive");
            command
        };
        if !self.apt_updated.replace(true) {
            process::checked(apt().arg("update"))?;
        }
        process::checked(
            apt()
                .args(["install", "-y", "--no-install-recommends"])
                .args(packages),
        )
        .with_context(|| advice.to_owned())
    }
}

/// The cargo that runs this program, so that a toolchain selected with `+` is used.
pub(crate) fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A program's file, found as a shell would.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|file| {
            fs::metadata(file).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0)
        })
}
