// Lists what went into the bundle with its licence text: node licences.mjs META.json, after esbuild --metafile.
import { readFileSync, readdirSync } from "node:fs";

const meta = JSON.parse(readFileSync(process.argv[2], "utf8"));
const folders = new Set();
for (const { inputs } of Object.values(meta.outputs)) {
  for (const input of Object.keys(inputs)) {
    const found = input.match(/^(node_modules\/(?:@[^/]+\/)?[^/]+)\//);
    if (found) folders.add(found[1]);
  }
}

/** The licence's text: its own file, else the part of the README that holds it, else Cornerstone's (its packages have none). */
function textOf(folder, name) {
  const files = readdirSync(folder);
  const own = files.find((file) => /^(licen[cs]e|copying)/i.test(file));
  if (own) return readFileSync(`${folder}/${own}`, "utf8");
  const readme = files.find((file) => /^readme/i.test(file));
  const told = readme && readFileSync(`${folder}/${readme}`, "utf8").match(/^Copyright [\s\S]+?DEALINGS IN THE\s+SOFTWARE\.$/im);
  if (told) return told[0];
  if (name.startsWith("@cornerstonejs/")) return readFileSync("cornerstone.licence.txt", "utf8");
  return "(no licence file in the package)";
}

console.log("Packages in handful-viewer.js and their licences, written by dashboard/viewer/source/licences.mjs.\n");
for (const folder of [...folders].sort()) {
  const about = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const licence = typeof about.license === "string" ? about.license : (about.license || {}).type || "not stated";
  console.log(`${"=".repeat(100)}\n${about.name} ${about.version}: ${licence}\n\n${textOf(folder, about.name).trim()}\n`);
}
