//! `secateur figure`: pictures and numbers of results, for a paper.

use std::path::PathBuf;

use fs_err as fs;
use secateur::report::{
    FigureOptions, curve_svg, exporter, heads_svg, numbers_tex, recoloured, result_names, roc_svg,
    scores_svg, to_pdf, to_png, to_tikz,
};
use secateur::run::{AskedFiles, read_paper_results};
use secateur::{Error, Result, file_name_problem};

use super::compare::mention_results;
use super::render;
use crate::args::{FigureArgs, PictureArg, style};
use crate::output;

pub(crate) fn figure(args: &FigureArgs, quiet: bool) -> Result<u8> {
    mention_results(&args.results, quiet)?;
    let results = read_paper_results(&args.results)?;
    let names = result_names(&results);
    for (place, name) in names.iter().enumerate() {
        // It was read from a file, and becomes a part of others' names.
        if let Some(problem) = file_name_problem(name) {
            let problem = format!("{problem}, got {name:?}: it is in the names of the pictures");
            return Err(Error::data("name in circuit.ron", problem));
        }
        if names[..place].contains(name) {
            return Err(Error::Usage(format!(
                "two results are named `{name}`; give their specs other names"
            )));
        }
    }
    let numbers = numbers_tex(&results)?;
    let roles = render::roles(args.roles.as_deref())?;
    let options = FigureOptions {
        style: style(args.theme, args.direction),
        roles: roles.roles.clone(),
        ..FigureOptions::default()
    };
    let mut files = vec![("numbers.tex".to_owned(), numbers.into_bytes())];
    for (result, name) in results.iter().zip(&names) {
        render::warn_of_other_model(&roles, &result.file, quiet);
        let format = args.format.exporter_name();
        let bytes = exporter(format)?.export(&result.file, &options)?;
        files.push((args.format.file(&format!("circuit-{name}")), bytes));
        if let Some(svg) = heads_svg(result) {
            let stem = format!("heads-{name}");
            files.push((args.format.file(&stem), args.picture(&svg, &stem)?));
        }
    }
    let mut plots = vec![
        ("curve", curve_svg(&results)),
        ("scores", scores_svg(&results)),
    ];
    if let Some(reference) = &args.reference {
        let reference = render::circuit(reference, quiet)?;
        plots.push(("roc", Some(roc_svg(&results, &reference)?)));
    }
    for (stem, svg) in plots {
        match svg {
            Some(svg) => files.push((args.format.file(stem), args.picture(&svg, stem)?)),
            None if quiet => {}
            None => output::message(&output::warning_text(&format!(
                "no {stem}: no result has one; `evaluate: (curve: true)` and a method that scores give it"
            ))),
        }
    }
    let placed = files.into_iter();
    let placed = placed.map(|(name, bytes)| (args.out.join(name), bytes));
    let files: Vec<(PathBuf, Vec<u8>)> = placed.collect();
    fs::create_dir_all(&args.out)?;
    let inputs = args.roles.iter().chain(&args.reference);
    let inputs = inputs.map(PathBuf::as_path).collect();
    AskedFiles::new(inputs, args.force).write(&files)?;
    for (path, _) in &files {
        output::text(&format!("{}\n", path.display()))?;
    }
    Ok(0)
}

impl PictureArg {
    fn exporter_name(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Tikz => "tikz",
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// The name of a file that holds such a picture.
    fn file(self, stem: &str) -> String {
        let extension = match self {
            Self::Tikz => "tex",
            other => other.exporter_name(),
        };
        format!("{stem}.{extension}")
    }
}

impl FigureArgs {
    /// A plot in the theme and the format.
    fn picture(&self, svg: &str, name: &str) -> Result<Vec<u8>> {
        let svg = recoloured(svg, self.theme.into(), name)?;
        match self.format {
            PictureArg::Svg => Ok(svg.into_bytes()),
            PictureArg::Pdf => to_pdf(&svg, name),
            PictureArg::Png => to_png(&svg, name, None),
            PictureArg::Tikz => to_tikz(&svg, name).map(String::into_bytes),
        }
    }
}
