//! Pure models.
