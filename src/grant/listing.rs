//! Lists, with the ends that the store has not kept yet.

use crate::answer::Answer;
use crate::grant::{Filter, Grant, Grants, Page, StoreError};

impl Grants {
    /// The grants that the filter names, newest start first. One that ended here is no longer alive, though
    /// the store may not have kept its end yet; among those that ended it is when the store has.
    ///
    /// # Errors
    ///
    /// When the store cannot say.
    pub fn list(&self, filter: &Filter, page: &Page) -> Answer<Result<Vec<Grant>, StoreError>> {
        if self.0.pending.is_empty() {
            return self.0.store.list(filter, page);
        }
        let (grants, filter, page) = (self.clone(), filter.clone(), *page);
        Answer::later(async move { grants.list_on(&filter, page).await })
    }

    /// A whole page, where the store has one: what falls out is made up for by what follows.
    async fn list_on(&self, filter: &Filter, mut page: Page) -> Result<Vec<Grant>, StoreError> {
        let size = page.size.min(Page::MAX);
        let mut found: Vec<Grant> = Vec::new();
        loop {
            page.size = size - found.len();
            let part = self.0.store.list(filter, &page).await?;
            let all = part.len() < page.size;
            page.after = part.last().map_or(page.after, |last| Some(last.into()));
            let part = part.into_iter().take(page.size);
            let ended = part.map(|grant| self.0.pending.apply(grant));
            found.extend(ended.filter(|grant| filter.fits(grant)));
            if all || found.len() >= size {
                return Ok(found);
            }
        }
    }
}
