// What the page does in the browser: functions that the components' `js` and `js_on_load` call by name.

// A message at the top of the page is of no use to someone who pressed a button further down.
function showBanner() {
  setTimeout(() => document.querySelector('#banner .alert')?.scrollIntoView({block: 'nearest'}), 200);
}

function putInAddress(parts) {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(parts))
    if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
  window.history.replaceState({}, '', url);
  tellHub();
  return link().href;
}

// This page's address without what a Space's frame puts in for itself (its theme, and the key of a private Space).
function link() {
  const url = new URL(window.location.href);
  for (const name of [...url.searchParams.keys()]) if (name.startsWith('__')) url.searchParams.delete(name);
  return url;
}

const isFramed = () => window.parent !== window;

// A Space's page is in a frame of the hub's, whose address the visitor sees: the hub takes over what it is told.
// https://huggingface.co/docs/hub/spaces-handle-url-parameters
function tellHub() {
  if (isFramed()) window.parent.postMessage({queryString: link().searchParams.toString(), hash: ''}, 'https://huggingface.co');
}
tellHub();

// The job's id in the address: a refresh, a bookmark or a second tab finds the job again. In a frame that nobody but
// its own page can reload with an address, this browser keeps it: what is returned.
function rememberJob(id) {
  startAnswered();
  showBanner();
  putInAddress({job: id});
  return isFramed() ? id : '';
}

// The class, and the key of its teacher, stay in the address: a reload or a bookmark comes back to it.
function rememberClass(name, key) {
  putInAddress({class: name, teacher: key});
}

function saveFile(text) {
  showBanner();
  if (!text) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'application/yaml'}));
  link.download = 'finetune-settings.yaml';
  link.click();
  URL.revokeObjectURL(link.href);
}

// Returned for the field below the button: where the clipboard is refused, it can still be copied by hand.
async function copyLink(token) {
  showBanner();
  if (!token) return '';
  const address = putInAddress({job: '', settings: token});
  const note = document.querySelector('#loaded-note .note');
  try {
    await navigator.clipboard.writeText(address);
    note.textContent = 'Link copied: it opens this page with these settings.';
  } catch {
    note.textContent = 'Copy the link below: it opens this page with these settings.';
  }
  return address;
}

// The address that opens this page with these runs side by side; where the clipboard is refused, it is in the field.
async function copyRuns(runs) {
  const address = putInAddress({job: '', settings: '', runs: (runs || []).join(',')});
  try { await navigator.clipboard.writeText(address); } catch { /* the field below holds it */ }
  return address;
}

// Start was pressed: that is told at once, for the answer may take a moment. What is sent stays as it is.
let startAnswered = () => {};
function startPressed(...values) {
  const told = document.querySelector('#status .status > :last-child');
  const [before, starting] = [told?.textContent, 'Starting…'];
  document.body.classList.add('starting');
  if (told) told.textContent = starting;
  startAnswered = () => {
    document.body.classList.remove('starting');
    if (told?.textContent === starting) told.textContent = before;  // it was refused: nothing new is told there
  };
  return values;
}

function startFailed() {
  startAnswered();
}

// What is typed beyond a field's bounds becomes what counts: the nearest that the field takes.
document.addEventListener('focusout', ({target: field}) => {
  if (field.type !== 'number' || field.value === '') return;
  const [low, high] = [field.min, field.max].map((end) => (end === '' ? NaN : Number(end)));
  const taken = field.value < low ? low : field.value > high ? high : null;
  if (taken === null) return;
  field.value = taken;
  field.dispatchEvent(new Event('input', {bubbles: true}));
});

// A link within the page, without a trace in the address that holds the job.
function goToStep(element) {
  element.addEventListener('click', (event) => {
    if (!event.target.hash) return;
    event.preventDefault();
    const step = document.querySelector(event.target.hash);
    if (!step.offsetParent) document.querySelector('[role=tab]').click();  // it stands on the first tab
    step.scrollIntoView();
    step.focus({preventScroll: true});
  });
}

// A student who comes by the class's link sees the question first, however small the screen is.
function openOnQuestion(element) {
  const parts = new URL(window.location.href).searchParams;
  if (!parts.get('class') || parts.get('teacher')) return;
  const asked = new MutationObserver(() => {
    if (!element.innerText.trim()) return;
    asked.disconnect();
    document.getElementById('class-head').scrollIntoView();
  });
  asked.observe(element, {childList: true, subtree: true});
}

// What scrolls can be scrolled by the keyboard: the command in Runs, which nobody types into.
new MutationObserver(() => {
  for (const box of document.querySelectorAll('#run-again .cm-scroller:not([tabindex="0"])'))
    for (const [name, value] of Object.entries({tabindex: 0, role: 'group', 'aria-label': 'Command'})) box.setAttribute(name, value);
}).observe(document.documentElement, {childList: true, subtree: true});
