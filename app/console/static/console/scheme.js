// Light or dark: as the system has it, unless the switch says otherwise; this browser remembers.

import { byId } from './dom.js';

const KEY = 'loregate.scheme';
const ORDER = ['auto', 'light', 'dark'];

export function switchScheme() {
  const control = byId('scheme');
  let scheme = remembered();
  const apply = () => {
    if (scheme === 'auto') delete document.documentElement.dataset.scheme;
    else document.documentElement.dataset.scheme = scheme;
    control.textContent = scheme;
    control.setAttribute('aria-label', `Colours: ${scheme}. Press to change`);
  };
  control.addEventListener('click', () => {
    scheme = ORDER[(ORDER.indexOf(scheme) + 1) % ORDER.length];
    remember(scheme);
    apply();
  });
  apply();
}

// A browser that forbids storage still has a switch.
function remembered() {
  try {
    const found = localStorage.getItem(KEY);
    return ORDER.includes(found) ? found : 'auto';
  } catch {
    return 'auto';
  }
}

function remember(scheme) {
  try {
    localStorage.setItem(KEY, scheme);
  } catch {
    // It holds until the page is left.
  }
}
