// Before anything is painted: the theme that was chosen here, else that of the system.
try {
  const theme = localStorage.getItem('relay.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be closed, as in a frame of another site.
}
