//! `cargo deb`: the Debian package.
//!
//! The program is built as released, unless one is given; what else is in the package stands in
//! `deploy/`. `dpkg-deb` makes the archive. The same tree gives the same package to the byte: every
//! time stamp in it is that of the last commit.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

mod libraries;
mod tree;

use tree::Tree;

/// Who is named as the maintainer, unless `DEBFULLNAME` and `DEBEMAIL` say who.
const MAINTAINER: (&str, &str) = ("Forebay developers", "forebay@forebay.invalid");

/// What is to be built.
pub(crate) struct Options {
    /// The program; built as released if `None`.
    binary: Option<PathBuf>,
    /// Where the package goes.
    out: PathBuf,
    /// The Debian revision.
    revision: u32,
    /// How `dpkg-deb` packs.
    compression: String,
}

impl Options {
    /// From the command line; `None` if it is not valid.
    pub(crate) fn parse(arguments: &[&str]) -> Option<Self> {
        let mut options = Self {
            binary: None,
            out: root().join("target/deb"),
            revision: 1,
            compression: "xz".to_owned(),
        };
        for pair in arguments.chunks(2) {
            match *pair {
                ["--binary", path] => options.binary = Some(path.into()),
                ["--out", path] => options.out = path.into(),
                ["--revision", number] => options.revision = number.parse().ok()?,
                ["--compression", name] => options.compression = name.to_owned(),
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Builds the package and returns its path.
pub(crate) fn build(options: &Options) -> io::Result<PathBuf> {
    let binary = match &options.binary {
        Some(path) => path.clone(),
        None => build_program()?,
    };
    let package = Package {
        version: format!("{}-{}", version()?, options.revision),
        architecture: output(Command::new("dpkg").arg("--print-architecture"))?,
        epoch: epoch()?,
    };
    let name = format!("forebay_{}_{}", package.version, package.architecture);
    let mut tree = Tree::create(options.out.join(&name))?;
    package.fill(&mut tree, &binary)?;
    let path = options.out.join(format!("{name}.deb"));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Z", &options.compression, "--build"]);
    pack.arg(tree.path()).arg(&path);
    output(pack.env("SOURCE_DATE_EPOCH", &package.epoch))?;
    tree.remove()?;
    Ok(path)
}

struct Package {
    version: String,
    architecture: String,
    /// Seconds since 1970 of everything in it.
    epoch: String,
}

impl Package {
    fn fill(&self, tree: &mut Tree, binary: &Path) -> io::Result<()> {
        tree.program("usr/bin/forebay", &fs::read(binary)?)?;
        self.fill_from_the_program(tree, binary)?;
        tree.file("etc/forebay/forebay.yaml", &read("config/service.yaml")?)?;
        let unit = "usr/lib/systemd/system/forebay.service";
        tree.file(unit, &read("systemd/forebay.service")?)?;
        let user = "usr/lib/sysusers.d/forebay.conf";
        tree.file(user, &read("debian/sysusers.conf")?)?;
        tree.files("usr/share/doc/forebay/examples/config", &deploy("config"))?;
        let drop_ins = "usr/share/doc/forebay/examples/systemd";
        tree.files(drop_ins, &deploy("systemd/drop-ins"))?;
        self.document(tree)?;
        self.control(tree, binary)
    }

    /// What the program prints of itself: the manual, and completions for shells.
    fn fill_from_the_program(&self, tree: &mut Tree, binary: &Path) -> io::Result<()> {
        let printed = |words: &[&str]| output(Command::new(binary).args(words));
        let pages = tree.path().join("man");
        output(Command::new(binary).args(["man", "--dir"]).arg(&pages))?;
        for page in fs::read_dir(&pages)? {
            let page = page?;
            let path = format!("usr/share/man/man1/{}", page.file_name().display());
            tree.packed(&path, &fs::read_to_string(page.path())?)?;
        }
        fs::remove_dir_all(pages)?;
        for (shell, path) in [
            ("bash", "usr/share/bash-completion/completions/forebay"),
            ("zsh", "usr/share/zsh/vendor-completions/_forebay"),
            ("fish", "usr/share/fish/vendor_completions.d/forebay.fish"),
        ] {
            tree.file(path, &(printed(&["completions", shell])? + "\n"))?;
        }
        Ok(())
    }

    fn document(&self, tree: &mut Tree) -> io::Result<()> {
        let licence = fs::read_to_string(root().join("LICENSE-MIT"))?;
        let copyright = read("debian/copyright")?.replace("@MIT@", &indented(&licence));
        tree.file("usr/share/doc/forebay/copyright", &copyright)?;
        let readme = fs::read_to_string(root().join("README.md"))?;
        tree.file("usr/share/doc/forebay/README.md", &readme)?;
        let changes = fs::read_to_string(root().join("CHANGELOG.md"))?;
        tree.packed("usr/share/doc/forebay/changelog", &changes)?;
        let entry = format!(
            "forebay ({}) unstable; urgency=medium\n\n  * What changed stands in changelog.gz.\n\n -- {}  {}\n",
            self.version,
            maintainer(),
            output(Command::new("date").args(["-R", "-u", "-d", &format!("@{}", self.epoch)]))?
        );
        tree.packed("usr/share/doc/forebay/changelog.Debian", &entry)
    }

    fn control(&self, tree: &mut Tree, binary: &Path) -> io::Result<()> {
        let control = read("debian/control")?
            .replace("@VERSION@", &self.version)
            .replace("@ARCHITECTURE@", &self.architecture)
            .replace("@MAINTAINER@", &maintainer())
            .replace("@INSTALLED_SIZE@", &tree.size_kib().to_string())
            .replace("@LIBRARIES@", &libraries::packages(&fs::read(binary)?));
        let sums = tree.md5sums()?;
        tree.file("DEBIAN/control", &control)?;
        tree.file("DEBIAN/md5sums", &sums)?;
        tree.file("DEBIAN/conffiles", &read("debian/conffiles")?)?;
        for script in ["postinst", "prerm", "postrm"] {
            let text = read(&format!("debian/{script}"))?;
            tree.program(&format!("DEBIAN/{script}"), text.as_bytes())?;
        }
        Ok(())
    }
}

/// Builds the program as released and returns its path.
fn build_program() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--profile", "dist", "--bin", "forebay"]);
    let status = build.current_dir(root()).status()?;
    match status.success() {
        true => Ok(root().join("target/dist/forebay")),
        false => Err(io::Error::other("the program does not build")),
    }
}

/// The version in the manifest of the workspace.
fn version() -> io::Result<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let lines = manifest.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix("version = \""));
    let version = values.next().map(|rest| rest.trim_end_matches('"'));
    version
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other("no version in Cargo.toml"))
}

/// The time of the last commit, unless `SOURCE_DATE_EPOCH` gives one.
fn epoch() -> io::Result<String> {
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let mut log = Command::new("git");
    output(log.args(["log", "-1", "--format=%ct"]).current_dir(root()))
}

fn maintainer() -> String {
    let given = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let (name, address) = MAINTAINER;
    format!(
        "{} <{}>",
        given("DEBFULLNAME", name),
        given("DEBEMAIL", address)
    )
}

/// As the text of a field of a control file goes on.
fn indented(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| match line.trim() {
        "" => " .".to_owned(),
        line => format!(" {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What `command` prints, without the newline at its end.
fn output(command: &mut Command) -> io::Result<String> {
    let output = command.output();
    let failed = |why: &dyn Display| io::Error::other(format!("{command:?}: {why}"));
    let output = output.map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

fn read(name: &str) -> io::Result<String> {
    fs::read_to_string(deploy(name))
}

fn deploy(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
