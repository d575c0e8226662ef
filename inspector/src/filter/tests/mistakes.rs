//! What is said of a filter that can't be read.

use super::super::{Filter, FilterError, Scope};
use super::said;

fn error(expression: &str) -> FilterError {
    Filter::parse(&[expression]).unwrap_err()
}

#[test]
fn a_field_that_does_not_exist_comes_with_the_one_that_was_meant() {
    let said = said(&[
        "stauts=500 path~/api",
        "path~/ä  \tMethod=POST",
        "a=b",
        "x-user=alice",
        "url~x",
        "response.x=5",
        "body.answer~x",
        "/api=5",
        "status.x=5",
        "日本=5 héader.x=1",
    ]);
    insta::assert_snapshot!(said, @r#"
    there is no field `stauts`
      stauts=500 path~/api
      ^^^^^^
    hint: did you mean `status`?

    there is no field `Method`
      path~/ä  	Method=POST
               	^^^^^^
    hint: did you mean `method`?

    there is no field `a`
      a=b
      ^
    hint: fields are answer.NAME, answer.body, body, direction, error, from, grpc, header.NAME, host, id, latency, method, path, query, query.NAME, replay, size, status, to, trace, type, version

    there is no field `x-user`
      x-user=alice
      ^^^^^^
    hint: did you mean `header.x-user`?

    there is no field `url`
      url~x
      ^^^
    hint: did you mean `path`?

    there is no field `response.x`
      response.x=5
      ^^^^^^^^^^
    hint: did you mean `answer.NAME`?

    there is no field `body.answer`
      body.answer~x
      ^^^^^^^^^^^
    hint: did you mean `answer.body`?

    there is no field `/api`
      /api=5
      ^^^^
    hint: a path is asked for by `path=/…` or `path~…`

    there is no field `status.x`
      status.x=5
      ^^^^^^^^
    hint: did you mean `status`?

    there is no field `日本`
      日本=5 héader.x=1
      ^^
    hint: fields are answer.NAME, answer.body, body, direction, error, from, grpc, header.NAME, host, id, latency, method, path, query, query.NAME, replay, size, status, to, trace, type, version
    "#);
}

#[test]
fn a_word_that_is_no_term_comes_with_a_term() {
    let said = said(&[
        "500",
        "5XX",
        "GET",
        "/api/orders",
        "foo(bar",
        "v1*x",
        "statu",
        "status=500 AND error",
        "error || replay",
        "not error",
        "(status=500)",
        "(error)",
        "error\u{1b}[31m",
    ]);
    insta::assert_snapshot!(said, @r#"
    `500` is no term
      500
      ^^^
    hint: did you mean `status=500`?

    `5XX` is no term
      5XX
      ^^^
    hint: did you mean `status=5xx`?

    `GET` is no term
      GET
      ^^^
    hint: did you mean `method=GET`?

    `/api/orders` is no term
      /api/orders
      ^^^^^^^^^^^
    hint: did you mean `path~/api/orders`?

    `foo(bar` is no term
      foo(bar
      ^^^^^^^
    hint: did you mean `path=*foo(bar*`?

    `v1*x` is no term
      v1*x
      ^^^^
    hint: did you mean `path=*v1*x*`?

    `statu` is no term
      statu
      ^^^^^
    hint: did you mean `status`?

    `AND` is no term
      status=500 AND error
                 ^^^
    hint: terms beside each other are joined by and, without a word

    `||` is no term
      error || replay
            ^^
    hint: alternatives have `or` between them

    `not` is no term
      not error
      ^^^
    hint: `!` before a term negates it

    there is no field `(status`
      (status=500)
      ^^^^^^^
    hint: there are no parentheses: alternatives, each with all of its terms, have `or` between them

    `(error)` is no term
      (error)
      ^^^^^^^
    hint: there are no parentheses: alternatives, each with all of its terms, have `or` between them

    `error�[31m` is no term
      error�[31m
      ^^^^^^^^^^
    "#);
}

#[test]
fn what_joins_and_negates_needs_terms() {
    let said = said(&["or", "error or", "or error", "error or or replay", "!", "! error", "!!error"]);
    insta::assert_snapshot!(said, @r#"
    `or` stands between two terms
      or
      ^^

    `or` stands between two terms
      error or
            ^^

    `or` stands between two terms
      or error
      ^^

    `or` stands between two terms
      error or or replay
               ^^

    `!` stands before a term, once
      !
      ^

    `!` stands before a term, once
      ! error
      ^

    `!` stands before a term, once
      !!error
      ^
    "#);
}

#[test]
fn a_field_needs_what_belongs_to_it() {
    let said = said(&[
        "method",
        "header",
        "header=x",
        "header.",
        "header.=x",
        "header.\"a b\"=x",
        "answer~x",
        "=5",
        "!=5",
        "\"hello\"",
    ]);
    insta::assert_snapshot!(said, @r#"
    `method` has to be compared with something
      method
      ^^^^^^
    hint: for example `method=POST`

    `header` needs a name
      header
      ^^^^^^
    hint: for example `header.x-user=alice`

    `header` needs a name
      header=x
      ^^^^^^
    hint: for example `header.x-user=alice`

    `header` needs a name
      header.
      ^^^^^^
    hint: for example `header.x-user=alice`

    `header` needs a name
      header.=x
      ^^^^^^
    hint: for example `header.x-user=alice`

    `a b` can't be the name of a header
      header."a b"=x
              ^^^

    `answer` needs a name
      answer~x
      ^^^^^^
    hint: for example `answer.location~login`

    there is no field before `=`
      =5
      ^
    hint: for example `status>=500`

    there is no field before `!=`
      !=5
      ^^
    hint: for example `status>=500`

    a term begins with a field, not with a quote
      "hello"
      ^
    hint: text is searched for in a field: `path~'…'`
    "#);
}

#[test]
fn a_route_asks_for_no_more_than_the_head() {
    let error =
        Filter::parse_for(Scope::Head, &["method=GET", "path=/ä !status=5xx from=10.0.0.7"]).unwrap_err();
    insta::assert_snapshot!(error, @"
    `status` is not known when a request comes in
      path=/ä !status=5xx from=10.0.0.7
              ^^^^^^^^^^^
    hint: a route is chosen before anything else comes: by method, path, host, headers and the like
    ");
    assert_eq!((error.expression(), error.column(), error.width()), (1, 8, 11));
    Filter::parse_for(
        Scope::Head,
        &["method=GET path~^/api query.a host=x header.x-user=alice from=10.0.0.7"],
    )
    .unwrap();
}

#[test]
fn the_parts_of_an_error_can_be_had_one_by_one() {
    let error = error("path=/ä stauts=500");
    assert_eq!(error.message(), "there is no field `stauts`");
    assert_eq!(error.hint(), Some("did you mean `status`?"));
    assert_eq!((error.expression(), error.column(), error.width()), (0, 8, 6));
}

#[test]
fn of_a_long_expression_the_part_around_the_place_is_shown() {
    let around = "path=/abcdef ".repeat(10);
    let error = error(&format!("{around}stauts=5 {around}"));
    insta::assert_snapshot!(error, @"
    there is no field `stauts`
      …=/abcdef path=/abcdef path=/abcdef path=/abcdef stauts=5 path=/abcdef path=/abcd…
                                                       ^^^^^^
    hint: did you mean `status`?
    ");
    assert_eq!(error.column(), 130);
}
