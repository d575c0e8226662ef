//! What is said of operators and values that can't be read.

use super::said;

#[test]
fn operators_stand_where_they_mean_something() {
    let said = said(&[
        "status!500",
        "method = GET",
        "method= GET",
        "method=",
        "method==GET",
        "method=~GET",
        "path=~~",
        "method>5",
        "error=5",
        "from~10",
        "path\"x\"",
        "header.x\"y\"=5",
    ]);
    insta::assert_snapshot!(said, @r#"
    `!` is no operator
      status!500
            ^
    hint: `!=` and `!~` are; `!` alone stands before a term

    there is a space before `=`
      method = GET
             ^
    hint: no spaces stand around an operator: `method=…`

    there is no value after `=`
      method= GET
             ^
    hint: no space stands after an operator, and nothing, as a value, is `""`

    there is no value after `=`
      method=
             ^
    hint: nothing, as a value, is `""`

    `==` is no operator
      method==GET
            ^^
    hint: `=` is

    `=~` is no operator
      method=~GET
            ^^
    hint: `~` is

    `=~~` is no operator
      path=~~
          ^^^
    hint: a value that begins so stands in quotes

    `method` can't be compared by `>`
      method>5
            ^
    hint: `method` knows = != ~ !~

    `error` can't be compared by `=`
      error=5
           ^
    hint: `error` stands alone

    `from` can't be compared by `~`
      from~10
          ^
    hint: `from` knows = !=

    there is no operator before the quote
      path"x"
          ^
    hint: a text is compared by `=` or `~`: `path='…'`

    there is no operator before the quote
      header.x"y"=5
              ^
    "#);
}

#[test]
fn quotes_end_where_the_value_does() {
    let said =
        said(&["path='/a", "path=\"/ä b", "path=\"a\\", "path=\"\\d\"", "body~\"id\":7", "path='a'!error"]);
    insta::assert_snapshot!(said, @r#"
    the quote has no end
      path='/a
           ^

    the quote has no end
      path="/ä b
           ^

    the quote has no end
      path="a\
             ^

    `\d` means nothing within double quotes
      path="\d"
            ^^
    hint: write `\\`, or single quotes, between which a backslash is like any other character

    something follows the end of the quote
      body~"id":7
               ^
    hint: a text with quotes in it stands in the other quotes, all of it: `body~'"id":7'`

    something follows the end of the quote
      path='a'!error
              ^
    hint: a text with quotes in it stands in the other quotes, all of it: `body~'"id":7'`
    "#);
}

#[test]
fn a_value_is_of_the_kind_of_its_field() {
    let said = said(&[
        "status=abc",
        "status=50",
        "status>=5xx",
        "status>4xx",
        "latency>100",
        "latency>1.5us",
        "latency>99999999999999999999s",
        "size>5KB",
        "grpc=UNAVAILIBLE",
        "grpc=+5",
        "id=''",
        "to=lapto",
        "to=moon",
        "version=3",
        "from=10.0.0",
        "from=10.0.0.1:80",
    ]);
    insta::assert_snapshot!(said, @r#"
    `abc` is no status
      status=abc
             ^^^
    hint: a status is a number such as 404, or a class such as 5xx

    `50` is no status
      status=50
             ^^
    hint: a status is a number such as 404, or a class such as 5xx

    `5xx` is no status to compare with
      status>=5xx
              ^^^
    hint: write `status>=500`

    `4xx` is no status to compare with
      status>4xx
             ^^^
    hint: write `status>=500`

    `100` is no duration
      latency>100
              ^^^
    hint: a duration has a unit, us, ms, s or m: `100ms`, `1.5s`

    `1.5us` is no duration
      latency>1.5us
              ^^^^^
    hint: microseconds and bytes are whole ones

    `99999999999999999999s` is more than can be counted
      latency>99999999999999999999s
              ^^^^^^^^^^^^^^^^^^^^^

    `5KB` is no size
      size>5KB
           ^^^
    hint: a size has a unit, B, K, KiB, M or MiB, or is in bytes: `10K`, `1.5M`

    `UNAVAILIBLE` is no status of gRPC
      grpc=UNAVAILIBLE
           ^^^^^^^^^^^
    hint: did you mean `UNAVAILABLE`?

    `+5` is no status of gRPC
      grpc=+5
           ^^
    hint: it is a number, or a name such as UNAVAILABLE

    `` is no number of an exchange
      id=''
         ^^
    hint: exchanges count from 1: `id=7`

    `lapto` is no place that answers
      to=lapto
         ^^^^^
    hint: did you mean `to=laptop`?

    `moon` is no place that answers
      to=moon
         ^^^^
    hint: there are laptop, originals, cluster

    `3` is no version of HTTP
      version=3
              ^
    hint: there are 1.0, 1.1, 2

    `10.0.0` is no address
      from=10.0.0
           ^^^^^^
    hint: an address is `10.0.0.7`, a range of them `10.0.0.0/8`, without a port

    `10.0.0.1:80` is no address
      from=10.0.0.1:80
           ^^^^^^^^^^^
    hint: an address is `10.0.0.7`, a range of them `10.0.0.0/8`, without a port
    "#);
}

#[test]
fn the_place_in_a_regular_expression_is_shown() {
    let said = said(&["path~(", "error path~'ä [z-a]' replay", "path~\"\\\"(\"", "path~\\w{20}"]);
    insta::assert_snapshot!(said, @r#"
    not a regular expression: unclosed group
      path~(
           ^
    hint: a character that means something is itself behind a backslash; `=` with `*` needs none

    not a regular expression: invalid character class range, the start must be <= the end
      error path~'ä [z-a]' replay
                     ^^^
    hint: a character that means something is itself behind a backslash; `=` with `*` needs none

    not a regular expression: unclosed group
      path~"\"("
            ^^^
    hint: a character that means something is itself behind a backslash; `=` with `*` needs none

    the pattern is too large
      path~\w{20}
           ^^^^^^
    hint: counted repetitions of large classes take room: `[0-9]` is smaller than `\d`, `(?-u:\w)` than `\w`
    "#);
}
