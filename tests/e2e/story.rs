//! The main job: somebody tries a changed service on the laptop, with the rest of the application in the cluster.

use harness::{World, deadline};

harness::tests![the_laptop_answers_with_the_pods_names_and_environment_and_the_originals_afterwards];

async fn the_laptop_answers_with_the_pods_names_and_environment_and_the_originals_afterwards(world: World) {
    world.create_all(include_str!("../../examples/shop/k8s.yaml")).await;
    for deployment in ["stock", "catalog", "web"] {
        world.rolled_out(deployment).await;
    }
    let page = "http://web/items/tea";
    let from_original = |page: &str| page.contains(r#""by":"catalog-"#) && page.contains(r#""stock":7"#);
    world.shows(page, from_original).await;
    let before = world.snapshot().await;

    let mut session =
        world.devbridge(&["intercept", "catalog", "--", "shop-catalog", "--banner", "my laptop"]);
    session.line("ready:", deadline::ATTACH).await;
    // The price has the pod's currency, the stock comes from the database by its name and with the pod's password.
    world.shows(page, |page| page.contains(r#""price":"4.20 EUR","stock":7,"by":"my laptop""#)).await;

    session.signal_group(nix::sys::signal::Signal::SIGINT);
    session.exit(deadline::LEAVE).await;
    world.nothing_runs().await;
    world.shows(page, from_original).await;
    world.is_again(&before).await;
}
