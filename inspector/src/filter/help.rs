//! The language on one screen, made from the table of fields.

use super::fields::FIELDS;

const INTRO: &str = "\
A filter is made of terms: a field, an operator, a value, without spaces between them.
  method=POST status>=500        both are true
  status>=500 or latency>1s      one of them is; several expressions are joined so, too
  !from=10.0.0.0/8               it is not true; also true of what is not known yet
  header.x-user                  there is one
  path='/a b'                    spaces stand in '…' or \"…\"

  =  !=          the whole value, where * is anything
  ~  !~          a regular expression, found somewhere in the value
  > >= < <=      numbers, durations, sizes

";

/// How filters are written, as plain text in lines.
pub fn help() -> String {
    let usages: Vec<_> = FIELDS.iter().map(|field| (field.usage(), field)).collect();
    let wide = usages.iter().map(|(usage, _)| usage.len()).max().unwrap_or_default();
    let mut text = INTRO.to_owned();
    for (usage, field) in usages {
        text.push_str(&format!("  {usage:wide$}  {}\n  {:wide$}  {}\n", field.about, "", field.example));
    }
    text
}
