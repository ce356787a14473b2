use std::io::Read;

use super::*;
use crate::config::plan::FileFormat;
use crate::output::testing::{chunk, numbered};

fn output(to: File) -> StdoutOutput {
    let format = FileFormat::Json;
    StdoutOutput::over(
        to,
        &StdoutOutputPlan {
            format,
            buffered: true,
        },
    )
    .unwrap()
}

#[tokio::test]
async fn chunks_are_written_whole_one_after_another() {
    let (mut reader, writer) = io::pipe().unwrap();
    let output = Arc::new(output(File::from(std::os::fd::OwnedFd::from(writer))));
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    let attempts: Vec<_> = (0..4)
        .map(|_| {
            let output = Arc::clone(&output);
            // More than a pipe holds.
            let chunk = chunk(&[("t", numbered(2_000, 100))]);
            tokio::spawn(async move { output.write(&chunk).await })
        })
        .collect();
    for attempt in attempts {
        assert_eq!(attempt.await.unwrap(), Outcome::Delivered);
    }
    drop(output);
    let text = read.await.unwrap().unwrap();
    let numbers: Vec<usize> = text
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["n"].as_u64().unwrap().try_into().unwrap()
        })
        .collect();
    assert_eq!(numbers.len(), 8_000);
    assert!(numbers.iter().enumerate().all(|(at, n)| *n == at % 2_000));
}

#[tokio::test]
async fn a_reader_that_went_away_is_a_failing_destination() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = output(File::from(std::os::fd::OwnedFd::from(writer)));
    let outcome = output.write(&chunk(&[("t", numbered(1, 1))])).await;
    let Outcome::Retry(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(failure.scope, FailureScope::Destination);
}
