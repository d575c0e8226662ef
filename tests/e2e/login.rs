//! The developer's login to the cluster ends under a running session, as those of clouds and of single sign-on do.

use std::time::Duration;

use harness::{Cut, Echo, Goal, Load, World, deadline};

harness::tests![faults: a_session_outlives_the_login_that_it_began_with];

/// A renewal comes every 5 s.
const RENEWED: Duration = Duration::from_secs(30);
/// A login is tried at least once a minute.
const LOGGED_IN: Duration = Duration::from_secs(120);

async fn a_session_outlives_the_login_that_it_began_with(world: World) {
    world.echo(Echo::new("web").replicas(2)).await;
    let (login, first) = world.login().await;
    let relay = world.relay().await;
    let mut session =
        world.devbridge_through(&relay, &["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    world.laptop_answers("http://web/").await;
    assert_eq!(login.times(), 1, "one command, one login: {session:?}");

    // The plugin has a new token: nobody notices.
    let mut fault =
        world.fault("login ended, its plugin gives a new one; then the way is cut").goal(Goal::Failed(0));
    let mut load = world.load("http://web/", Load::USUAL).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    let second = login.again().await;
    first.ends().await;
    world.is_renewed(RENEWED).await;
    assert!(!session.has_said("state:"), "{session:?}");
    // What was connected stays so without any login; a new connection needs one.
    relay.cut(Cut::Rst);
    fault.happened();
    load.answered_by("laptop", 500, deadline::LOOK).await;

    // It has none: the session says so, serves on, and goes on when there is one.
    second.ends().await;
    let said = session.line("state: the cluster wants a new login", RENEWED).await;
    assert!(said.contains("log in as usual"), "{said}");
    load.answered_by("laptop", 200, deadline::LOOK).await;
    let _third = login.again().await;
    session.line("state: logged in again", LOGGED_IN).await;
    world.is_renewed(RENEWED).await;
    load.answered_by("laptop", 200, deadline::LOOK).await;
    fault.leaves(session, load).await;
}
