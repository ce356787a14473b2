//! `forebay man` and `forebay completions`: what other programs are told of the command line.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, ValueEnum};
use clap_complete::shells;
use clap_mangen::Man;

use super::EXIT_CODES;

/// A shell that completes arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script for `shell`.
///
/// # Errors
/// If `out` cannot be written.
pub(super) fn completions(
    mut command: Command,
    shell: Shell,
    out: &mut dyn Write,
) -> io::Result<()> {
    let name = command.get_name().to_owned();
    // The generator panics if it cannot write.
    let mut script = Vec::new();
    match shell {
        Shell::Bash => clap_complete::generate(shells::Bash, &mut command, name, &mut script),
        Shell::Zsh => clap_complete::generate(shells::Zsh, &mut command, name, &mut script),
        Shell::Fish => clap_complete::generate(shells::Fish, &mut command, name, &mut script),
    }
    out.write_all(&script)?;
    out.flush()
}

/// Prints the manual page of the whole program.
///
/// # Errors
/// If `out` cannot be written.
pub(super) fn man(command: Command, out: &mut dyn Write) -> io::Result<()> {
    write_page(&built(command), out)?;
    out.flush()
}

/// Writes a page for the program and one for each command into `dir`, which is made if it is not
/// there.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn man_folder(command: Command, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    write_pages(&built(command), dir)
}

/// With the full names of its commands, of which `help` needs no page.
fn built(command: Command) -> Command {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    command
}

fn write_pages(command: &Command, dir: &Path) -> io::Result<()> {
    let mut page = Vec::new();
    write_page(command, &mut page)?;
    let name = Man::new(command.clone()).get_filename();
    std::fs::write(dir.join(name), page)?;
    command
        .get_subcommands()
        .try_for_each(|command| write_pages(command, dir))
}

fn write_page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    if command.get_arguments().next().is_some() {
        page.render_options_section(out)?;
    }
    if command.has_subcommands() {
        page.render_subcommands_section(out)?;
    }
    // As they stand, without filling lines up.
    writeln!(out, ".SH \"EXIT STATUS\"\n.nf\n{EXIT_CODES}\n.fi")
}
