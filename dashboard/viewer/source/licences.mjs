// Lists what went into the bundle with its licence text: node licences.mjs META.json, after esbuild --metafile.
import { existsSync, readFileSync, readdirSync } from "node:fs";

const meta = JSON.parse(readFileSync(process.argv[2], "utf8"));
const folders = new Set();
for (const input of Object.keys(meta.inputs)) {
  const found = input.replace(/^\(disabled\):/, "").match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//);
  if (found) folders.add(found[1]);
}

console.log("Packages in handful-viewer.js and their licences, written by dashboard/viewer/source/licences.mjs.\n");
for (const folder of [...folders].sort()) {
  const about = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const licence = typeof about.license === "string" ? about.license : (about.license || {}).type || "not stated";
  console.log(`${"=".repeat(100)}\n${about.name} ${about.version}: ${licence}`);
  const text = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
  if (text && existsSync(`${folder}/${text}`)) console.log(`\n${readFileSync(`${folder}/${text}`, "utf8").trim()}\n`);
  else console.log("\n(no licence file in the package)\n");
}
