// The lab: everything here is computed in this browser, with the verifier's own SHA-256, and nothing is sent anywhere.
import { textsOf } from "./terminal/page.js";
import { startHand } from "./lab/hand.js";
import { startBlock } from "./lab/block.js";
import { startExperiment } from "./lab/experiment.js";
import { startCopies } from "./lab/copies.js";
import "./copy.js";

const lab = document.getElementById("lab");
const t = textsOf(lab);
const newest = Number(lab.dataset.newest);
lab.hidden = false;
startHand(t);
startBlock(t, newest);
startExperiment(t, JSON.parse(lab.dataset.paper));
startCopies(t, newest);
